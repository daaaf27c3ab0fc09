"""Gemma Scope: `params.npz` in `layer_3/width_16k/average_l0_71`; the path stands in for a config."""

import math
import re
from collections.abc import Collection, Iterable
from typing import Any

from torch import Tensor

from congruence.saes.activation_functions import JumpReLU
from congruence.saes.checks import check_matrix
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, folders_with, register_format
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

WEIGHTS = "params.npz"

_SITES = {
    "res": ("blocks.{}.hook_resid_post", None),
    "mlp": ("blocks.{}.hook_mlp_out", None),
    "att": ("blocks.{}.attn.hook_z", None),
    "transcoders": ("blocks.{}.ln2.hook_normalized", "blocks.{}.hook_mlp_out"),
}
"""Site in the repository's name -> where it reads, and what it predicts if that is something else."""
_REPOSITORY = re.compile(r"gemma-scope-[\w.]+-(?:pt|it)-(res|mlp|att|transcoders)\b")
_WIDTH = re.compile(r"width_(\d+)([km])")


@register_format("gemma_scope")
class GemmaScope(SaeFormat):
    """JumpReLU SAEs that don't subtract b_dec; residual ones unless the repository's name says otherwise."""

    looks_for = WEIGHTS
    reads = (WEIGHTS,)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS)

    def describe(self, files: SaeFiles) -> SaeEntry:
        hook_name, hook_name_out = _hooks(files)
        return self.entry(
            files,
            hook_name=hook_name,
            d_sae=_width(files.label),
            architecture="transcoder" if hook_name_out else "jumprelu",
        )

    def says_by_name(self, files: SaeFiles) -> str | None:
        return "embedding" if _is_embedding(files) else None

    def decoder(self, files: SaeFiles) -> Tensor | None:
        return None if _is_embedding(files) else files.tensor(WEIGHTS, "W_dec")

    def read(self, files: SaeFiles) -> Sae:
        path = files.path(WEIGHTS)
        tensors = {re.sub("^w_", "W_", name): value for name, value in files.tensors(WEIGHTS).items()}
        hook_name, hook_name_out = _hooks(files)
        W_enc = check_matrix(take(tensors, "W_enc", path), "W_enc", path)
        W_dec = take(tensors, "W_dec", path)
        if _is_embedding(files):
            W_enc, W_dec = _on_embedding_scale(W_enc, W_dec)
        return Sae(
            W_enc=W_enc,
            W_dec=W_dec,
            b_enc=take(tensors, "b_enc", path),
            b_dec=take(tensors, "b_dec", path),
            activation=JumpReLU(take(tensors, "threshold", path)),
            architecture="transcoder" if hook_name_out else "jumprelu",
            subtract_b_dec=False,
            hook_name=hook_name,
            hook_name_out=hook_name_out,
            path=path,
            metadata=_metadata(files),
        )


def _on_embedding_scale(W_enc: Tensor, W_dec: Tensor) -> tuple[Tensor, Tensor]:
    """Embedding SAEs were trained on embeddings before Gemma multiplies them by √d."""
    root = W_enc.shape[0] ** 0.5
    return W_enc / root, W_dec * root


def _is_embedding(files: SaeFiles) -> bool:
    return "embedding" in files.label.split("/")[-3:]


def _hooks(files: SaeFiles) -> tuple[str | None, str | None]:
    if _is_embedding(files):
        return "hook_embed", None
    layer = files.layer_from_name()
    if layer is None:
        return None, None
    site = _REPOSITORY.findall(files.label)
    hook_name, hook_name_out = _SITES[site[-1] if site else "res"]
    return hook_name.format(layer), hook_name_out and hook_name_out.format(layer)


def _width(label: str) -> int | None:
    """16k is 2^14 features, 1m is 2^20."""
    found = _WIDTH.search(label)
    if found is None:
        return None
    thousands = int(found[1]) * (1000 if found[2] == "m" else 1)
    return 1 << round(math.log2(thousands * 1000))


def _metadata(files: SaeFiles) -> dict[str, Any]:
    found = re.search(r"average_l0_(\d+)", files.label)
    return {"average_l0": int(found[1])} if found else {}
