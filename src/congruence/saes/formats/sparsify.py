"""EleutherAI's sparsify: `<hookpoint>/cfg.json` and `sae.safetensors`."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from congruence.errors import SaeError, unknown_name
from congruence.hook_names import parse_hook_name
from congruence.saes.activation_functions import Activation, GroupMax, TopK
from congruence.saes.checks import check_matrix, check_size
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, config_int, folders_with, register_format
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"


@register_format("sparsify")
class Sparsify(SaeFormat):
    """The layout of sparsify (and of `sae`, its name before): the folder is named after the hook point."""

    looks_for = f"{CONFIG} and {WEIGHTS}"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS, CONFIG)

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = files.config(CONFIG)
        d_in = config.get("d_in")
        return self.entry(
            files,
            hook_name=_hook_names(files, config)[0],
            d_in=d_in,
            d_sae=config.get("num_latents") or (d_in or 0) * (config.get("expansion_factor") or 0) or None,
            architecture=_architecture(config),
        )

    def decoder(self, files: SaeFiles) -> Tensor | None:
        return files.tensor(WEIGHTS, "W_dec")

    def read(self, files: SaeFiles) -> Sae:
        config = files.config(CONFIG)
        hook_name, hook_name_out = _hook_names(files, config)
        return sae_from_sparsify_parts(
            config,
            files.tensors(WEIGHTS),
            files.path(WEIGHTS),
            hook_name=hook_name,
            hook_name_out=hook_name_out,
        )


def sae_from_sparsify_parts(
    config: dict[str, Any],
    tensors: dict[str, Tensor],
    path: Path | None,
    *,
    hook_name: str | None = None,
    hook_name_out: str | None = None,
) -> Sae:
    """An `Sae` from sparsify's config and tensor names.

    Raises:
        SaeError: unknown activation, a tensor missing, or sizes other than the config's.
    """
    W_enc = check_matrix(take(tensors, "encoder.weight", path), "encoder.weight", path).T
    d_in, d_sae = W_enc.shape
    check_size(d_in, config.get("d_in"), "d_in", path)
    check_size(d_sae, config.get("num_latents") or _expanded(config, d_in), "num_latents", path)
    return Sae(
        W_enc=W_enc,
        W_dec=take(tensors, "W_dec", path),
        b_enc=take(tensors, "encoder.bias", path),
        b_dec=take(tensors, "b_dec", path),
        activation=_activation(config, d_sae, path),
        architecture=_architecture(config),
        subtract_b_dec=not config.get("transcode", False),
        W_skip=take(tensors, "W_skip", path) if config.get("skip_connection") else None,
        hook_name=hook_name,
        hook_name_out=hook_name_out,
        path=path,
        metadata=config,
    )


def _expanded(config: dict[str, Any], d_in: int) -> int | None:
    factor = config.get("expansion_factor")
    return None if factor is None else d_in * factor


def _architecture(config: dict[str, Any]) -> str:
    if config.get("skip_connection"):
        return "skip_transcoder"
    return "transcoder" if config.get("transcode") else str(config.get("activation", "topk"))


def _activation(config: dict[str, Any], d_sae: int, path: Path | None) -> Activation:
    """TopK by default; `signed`, of versions before `activation`, leaves the ReLU out."""
    name = config.get("activation", "topk")
    if name not in ("topk", "groupmax"):
        raise SaeError(f"{path}: {unknown_name('sparsify activation', name, ('topk', 'groupmax'))}")
    k = config_int(config, "k", path, default=32)
    if name == "topk":
        return TopK(k, relu=not config.get("signed", False))
    if k < 1 or d_sae % k:
        raise SaeError(f"{path}: groupmax with k={k} can't divide {d_sae} features: the config is broken")
    return GroupMax(k)


def _hook_names(files: SaeFiles, config: dict[str, Any]) -> tuple[str | None, str | None]:
    """Where it reads, and what it predicts: a transcoder reads the *input* of the module it names.

    The name is the folder's, or that of the folder above for one of several seeds (`layers.3/seed1`).
    """
    path = Path(files.label)
    name = path.parent.name if re.fullmatch(r"seed[_-]?\d+", path.name) else path.name
    if parse_hook_name(name) is None and not re.search(r"\w\.\d+(\.|$)", name):
        return None, None
    return (f"{name}.input", name) if config.get("transcode") else (name, None)
