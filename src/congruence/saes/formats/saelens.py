"""SAELens: `cfg.json` and `sae_weights.safetensors`, of version 6 and of those before."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from congruence.errors import SaeError, unknown_name
from congruence.saes.activation_functions import (
    AbsTopK,
    Activation,
    Gated,
    JumpReLU,
    MatchingPursuit,
    ReLU,
    TopK,
)
from congruence.saes.checks import check_matrix, check_size
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import (
    SaeFiles,
    SaeFormat,
    config_int,
    folders_with,
    header_shapes,
    register_format,
)
from congruence.saes.input_scaling import ConstantNorm, InputScaling, LayerNorm, Unscaled
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"

TEMPORAL = (
    "a temporal SAE isn't supported: the code of a token depends on the tokens before it, and features are "
    "compared token by token here"
)
_OLD_NAMES = {"hook_point": "hook_name", "activation_fn_str": "activation_fn"}
_SCALINGS: dict[str, Callable[[], InputScaling]] = {
    "none": Unscaled,
    "layer_norm": LayerNorm,
    "constant_norm_rescale": ConstantNorm,
    "expected_average_only_in": Unscaled,
    "covariance_whitening": Unscaled,
}
_ARCHITECTURES = {
    "standard": "relu",
    "topk": "topk",
    "abstopk": "abstopk",
    "matching_pursuit": "matching_pursuit",
    "jumprelu": "jumprelu",
    "gated": "gated",
    "batchtopk": "batchtopk",
    "matryoshka_batchtopk": "matryoshka",
    "transcoder": "transcoder",
    "jumprelu_transcoder": "transcoder",
    "skip_transcoder": "skip_transcoder",
    "jumprelu_skip_transcoder": "skip_transcoder",
}


@register_format("saelens")
class SaeLens(SaeFormat):
    """The layout of SAELens; a trainer's checkpoint and an inference SAE are read alike."""

    looks_for = f"{CONFIG} and {WEIGHTS}"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS, CONFIG)

    def accepts(self, files: SaeFiles) -> bool:
        """A list of hooks makes it a crosscoder."""
        return "hook_names" not in files.config(CONFIG)

    def refused(self, files: SaeFiles) -> str:
        temporal = modern_config(files.config(CONFIG))["architecture"] == "temporal"
        return f"{files.label}: {TEMPORAL}" if temporal else ""

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = modern_config(files.config(CONFIG))
        return self.entry(
            files,
            hook_name=config["metadata"].get("hook_name"),
            d_in=config.get("d_in"),
            d_sae=config.get("d_sae"),
            architecture=_ARCHITECTURES.get(config["architecture"], config["architecture"]),
        )

    def decoder(self, files: SaeFiles) -> Tensor | None:
        names = header_shapes(files.path(WEIGHTS))
        return None if "scaling_factor" in names else files.tensor(WEIGHTS, "W_dec")

    def read(self, files: SaeFiles) -> Sae:
        return sae_from_saelens_parts(
            modern_config(files.config(CONFIG)), files.tensors(WEIGHTS), files.path(WEIGHTS)
        )


def modern_config(config: dict[str, Any]) -> dict[str, Any]:
    """The config with the names and defaults of version 6, whichever version wrote it.

    Before version 6 the hook and model stood beside d_in, TopK was an activation function of the standard
    architecture, and normalize_activations could be a bool.
    """
    config = {_OLD_NAMES.get(name, name): value for name, value in config.items()}
    _fill_in_layer(config)
    metadata = config.get("metadata")
    outside = {
        name: config[name] for name in ("hook_name", "hook_name_out", "model_name") if config.get(name)
    }
    config["metadata"] = outside | (metadata if isinstance(metadata, dict) else {})
    config["architecture"] = config.get("architecture") or "standard"
    activation = config.get("activation_fn") or "relu"
    if activation == "topk":
        config["architecture"] = "topk"
        config.setdefault("k", (config.get("activation_fn_kwargs") or {}).get("k"))
    elif activation != "relu":
        config["architecture"] = f"{config['architecture']} with activation {activation}"
    scaling = config.get("normalize_activations")
    config["normalize_activations"] = "expected_average_only_in" if scaling is True else scaling or "none"
    return config


def _fill_in_layer(config: dict[str, Any]) -> None:
    """A hook that was written as a template, `blocks.{layer}.hook_resid_post`, with its layer beside it."""
    layer = config.get("hook_point_layer", config.get("hook_layer"))
    hook = config.get("hook_name")
    if isinstance(hook, str) and isinstance(layer, int):
        config["hook_name"] = hook.replace("{layer}", str(layer))


def sae_from_saelens_parts(config: dict[str, Any], tensors: dict[str, Tensor], path: Path | None) -> Sae:
    """An `Sae` from a version 6 config and SAELens's own tensor names.

    Raises:
        SaeError: unknown architecture or scaling, a tensor missing, or sizes other than the config's.
    """
    architecture = config["architecture"]
    if architecture == "temporal":
        raise SaeError(f"{path}: {TEMPORAL}")
    if architecture not in _ARCHITECTURES:
        raise SaeError(f"{path}: {unknown_name('SAELens architecture', architecture, _ARCHITECTURES)}")
    W_dec = _decoder(config, tensors, path)
    pursuit = architecture == "matching_pursuit"
    W_enc = W_dec.T if pursuit else take(tensors, "W_enc", path)
    W_enc = check_matrix(W_enc, "W_dec" if pursuit else "W_enc", path)
    check_size(W_enc.shape[0], config.get("d_in"), "d_in", path)
    check_size(W_enc.shape[1], config.get("d_sae"), "d_sae", path)
    transcoder = "transcoder" in architecture
    subtract_b_dec = bool(config.get("apply_b_dec_to_input", True)) and not transcoder
    b_dec = take(tensors, "b_dec", path)
    b_enc = W_enc.new_zeros(W_enc.shape[1]) if pursuit else None
    return Sae(
        W_enc=W_enc,
        W_dec=W_dec,
        b_enc=take(tensors, "b_mag" if architecture == "gated" else "b_enc", path)
        if b_enc is None
        else b_enc,
        b_dec=b_dec if subtract_b_dec or not pursuit else torch.zeros_like(b_dec),
        activation=_activation(architecture, config, tensors, path),
        architecture=_ARCHITECTURES[architecture],
        scaling=_scaling(config["normalize_activations"], path),
        subtract_b_dec=subtract_b_dec,
        rescale_by_decoder_norm=bool(config.get("rescale_acts_by_decoder_norm", False)),
        W_skip=take(tensors, "W_skip", path) if "skip" in architecture else None,
        hook_name=config["metadata"].get("hook_name"),
        hook_name_out=config["metadata"].get("hook_name_out"),
        path=path,
        metadata=config,
    )


def _activation(
    architecture: str, config: dict[str, Any], tensors: dict[str, Tensor], path: Any
) -> Activation:
    if architecture == "matching_pursuit":
        return _pursuit(config, take(tensors, "W_dec", path), path)
    if architecture in ("topk", "abstopk"):
        rule = TopK if architecture == "topk" else AbsTopK
        return rule(config_int(config, "k", path))
    if architecture == "gated":
        return Gated(take(tensors, "r_mag", path), take(tensors, "b_gate", path))
    if "batchtopk" in architecture:
        return JumpReLU(take(tensors, "topk_threshold", path))
    if "jumprelu" in architecture:
        return JumpReLU(take(tensors, "threshold", path))
    return ReLU()


def _pursuit(config: dict[str, Any], W_dec: Tensor, path: Any) -> Activation:
    threshold = config.get("residual_threshold", 1e-2)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not threshold >= 0:
        raise SaeError(
            f"{path}: residual_threshold is {threshold!r}, expected a number: the config is broken"
        )
    steps = W_dec.shape[-1]  # SAELens's own bound
    if config.get("max_iterations") is not None:
        steps = config_int(config, "max_iterations", path)
    return MatchingPursuit(
        W_dec, float(threshold), steps, bool(config.get("stop_on_duplicate_support", True))
    )


def _scaling(name: object, path: Path | None) -> InputScaling:
    if name not in _SCALINGS:
        raise SaeError(f"{path}: {unknown_name('normalize_activations', name, _SCALINGS)}")
    return _SCALINGS[str(name)]()


def _decoder(config: dict[str, Any], tensors: dict[str, Tensor], path: Any) -> Tensor:
    """W_dec; before version 6 a `scaling_factor` (d_sae,) could multiply activations in decoding alone."""
    W_dec = take(tensors, "W_dec", path)
    factor = tensors.get("scaling_factor")
    if factor is None or bool(torch.all(factor == 1)):
        return W_dec
    if not config.get("finetuning_scaling_factor"):
        raise SaeError(
            f"{path}: scaling_factor isn't 1, but the config doesn't set finetuning_scaling_factor"
        )
    return W_dec * factor[:, None]
