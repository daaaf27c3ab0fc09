"""Llama Scope: `hyperparams.json` and `checkpoints/final.safetensors` in `Llama3_1-8B-Base-L15R-8x`.

The scalar threshold is on the scale of *unscaled* inputs and unit decoder rows: at its release the library
divided b_enc by s_in and W_dec by its norms n before it compared with the threshold (decision 0301). On the
scale of scaled inputs, where features are kept here, it is threshold · s_out / n.
"""

from collections.abc import Collection, Iterable
from typing import Any

import torch

from congruence.errors import SaeError
from congruence.saes.checks import check_size
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, register_format
from congruence.saes.formats.openmoss import check_sae_type, input_factors, linear_weights, openmoss_sae
from congruence.saes.sae import Sae

CONFIG, WEIGHTS = "hyperparams.json", "checkpoints/final.safetensors"


@register_format("llama_scope")
class LlamaScope(SaeFormat):
    """JumpReLU SAEs made from TopK ones by one threshold for all features."""

    looks_for = f"{CONFIG} and {WEIGHTS}"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        folders = (file.removesuffix(WEIGHTS).rstrip("/") for file in files if file.endswith(WEIGHTS))
        return [f or "." for f in folders if (f"{f}/{CONFIG}" if f else CONFIG) in files]

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = _config(files)
        transcoder = config.get("hook_point_in") != config.get("hook_point_out", config.get("hook_point_in"))
        return self.entry(
            files,
            hook_name=config.get("hook_point_in"),
            d_in=config.get("d_model"),
            d_sae=config.get("d_sae"),
            architecture="transcoder" if transcoder else config["act_fn"],
        )

    def read(self, files: SaeFiles) -> Sae:
        config, tensors, path = _config(files), files.tensors(WEIGHTS), files.path(WEIGHTS)
        check_sae_type(config, path)
        weights = linear_weights(tensors, path, bias=config.get("use_decoder_bias", True))
        check_size(weights.W_enc.shape[0], config.get("d_model"), "d_model", path)
        check_size(weights.W_enc.shape[1], config.get("d_sae"), "d_sae", path)
        norms = config.get("dataset_average_activation_norm") or {}
        include = bool(config.get("sparsity_include_decoder_norm", False))
        threshold = torch.tensor(float(config["jump_relu_threshold"] or 0.0))
        if norms and config.get("norm_activation", "dataset-wise") == "dataset-wise":
            s_in, s_out = input_factors(norms, config, weights.W_enc.shape[0], path)
            threshold = threshold * (s_out if include else s_in)
        return openmoss_sae(config, weights, threshold, norms, path, include_decoder_norm=include)


def _config(files: SaeFiles) -> dict[str, Any]:
    """The config; a TopK SAE that has got a threshold is a JumpReLU one."""
    config = files.config(CONFIG)
    threshold = config.setdefault("jump_relu_threshold", None)
    if threshold or "act_fn" not in config:
        config["act_fn"] = "jumprelu"
    if config["act_fn"] == "jumprelu" and not isinstance(threshold, int | float):
        raise SaeError(f"{files.label}/{CONFIG}: jump_relu_threshold is {threshold!r}, expected a number")
    return config
