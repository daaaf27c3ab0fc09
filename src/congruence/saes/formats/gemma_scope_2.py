"""Gemma Scope 2: `params.safetensors` beside a `config.json` that may be missing."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from torch import Tensor

from congruence.errors import SaeError
from congruence.hook_names import parse_hook_name
from congruence.saes.activation_functions import JumpReLU
from congruence.saes.checks import check_matrix
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, folders_with, header_shapes, register_format
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "config.json", "params.safetensors"

_SITES = {
    "transcoder": ("blocks.{}.mlp.hook_in", "blocks.{}.hook_mlp_out"),
    "resid_post": ("blocks.{}.hook_resid_post", None),
    "attn_out": ("blocks.{}.attn.hook_z", None),
    "mlp_out": ("blocks.{}.hook_mlp_out", None),
}
"""Word in the path -> where it reads, and what it predicts if that is something else."""


@register_format("gemma_scope_2")
class GemmaScope2(SaeFormat):
    """JumpReLU SAEs and transcoders, with or without an affine skip connection; b_dec isn't subtracted."""

    looks_for = f"{WEIGHTS} (and {CONFIG})"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS)

    def describe(self, files: SaeFiles) -> SaeEntry:
        local = isinstance(files.source, LocalFolder)
        config = _config(files) if local else {}
        hook_name, hook_name_out = _hooks(files, config)
        d_in, d_sae = header_shapes(files.path(WEIGHTS)).get("w_enc", (None, None)) if local else (None, None)
        skip = bool(config.get("affine_connection", "affine" in files.sae_id))
        return self.entry(
            files,
            hook_name=hook_name,
            d_in=d_in,
            d_sae=d_sae,
            architecture=_architecture(hook_name_out, skip),
        )

    def decoder(self, files: SaeFiles) -> Tensor | None:
        return files.tensor(WEIGHTS, "w_dec")

    def read(self, files: SaeFiles) -> Sae:
        config, path = _config(files), files.path(WEIGHTS)
        if (found := config.get("architecture", "jump_relu")) != "jump_relu":
            raise SaeError(
                f"{files.label}/{CONFIG}: unknown Gemma Scope 2 architecture {found!r}: only jump_relu"
            )
        tensors = files.tensors(WEIGHTS)
        hook_name, hook_name_out = _hooks(files, config)
        skip = tensors.get("affine_skip_connection")
        return Sae(
            W_enc=check_matrix(take(tensors, "w_enc", path), "w_enc", path),
            W_dec=take(tensors, "w_dec", path),
            b_enc=take(tensors, "b_enc", path),
            b_dec=take(tensors, "b_dec", path),
            activation=JumpReLU(take(tensors, "threshold", path)),
            architecture=_architecture(hook_name_out, skip is not None),
            subtract_b_dec=False,
            W_skip=None if skip is None else check_matrix(skip, "affine_skip_connection", path).T,
            hook_name=hook_name,
            hook_name_out=hook_name_out,
            path=path,
            metadata=config,
        )


def _config(files: SaeFiles) -> dict[str, Any]:
    return files.config(CONFIG) if files.has(CONFIG) else {}


def _architecture(hook_name_out: str | None, skip: bool) -> str:
    if skip:
        return "skip_transcoder"
    return "transcoder" if hook_name_out else "jumprelu"


def _hooks(files: SaeFiles, config: dict[str, Any]) -> tuple[str | None, str | None]:
    """The config's module paths in the TransformerLens dialect; without a config, what the path says."""
    if config.get("hf_hook_point_in"):
        hook_name, out = (
            _in_our_words(config["hf_hook_point_in"]),
            _in_our_words(config.get("hf_hook_point_out")),
        )
        return hook_name, out if out != hook_name else None
    layer = re.findall(r"layer_(\d+)", files.label)
    site = next((site for site in _SITES if site in files.label), None)
    if not layer or site is None:
        return None, None
    hook_name, out = _SITES[site]
    return hook_name.format(layer[-1]), out and out.format(layer[-1])


def _in_our_words(name: str | None) -> str | None:
    point = parse_hook_name(name) if name else None
    return point.transformer_lens if point else name
