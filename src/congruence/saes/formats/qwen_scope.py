"""Qwen Scope: `layer3.sae.pt`; k and the width stand only in the repository's name, `…-W32K-L0_50`."""

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from congruence.errors import SaeError
from congruence.saes.activation_functions import TopK
from congruence.saes.checks import check_matrix
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, register_format
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

_FILE = re.compile(r"layer(\d+)\.sae\.pt")
_K = re.compile(r"L0_(\d+)")
_WIDTH = re.compile(r"-W(\d+)K\b")


@register_format("qwen_scope")
class QwenScope(SaeFormat):
    """TopK SAEs on the residual stream, stored with outputs first; b_dec isn't subtracted."""

    looks_for = "layer<n>.sae.pt in a folder named like …-W32K-L0_50"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [file for file in files if _FILE.fullmatch(PurePosixPath(file).name)]

    def describe(self, files: SaeFiles) -> SaeEntry:
        layer = _layer(files)
        return self.entry(
            files, layer=layer, hook_name=_hook(layer), d_sae=_width(files), architecture="topk"
        )

    def says_by_name(self, files: SaeFiles) -> int:
        return _k(files)

    def read(self, files: SaeFiles) -> Sae:
        tensors, path = files.tensors(), files.path()
        W_enc = check_matrix(take(tensors, "W_enc", path), "W_enc", path).T
        return Sae(
            W_enc=W_enc,
            W_dec=check_matrix(take(tensors, "W_dec", path), "W_dec", path).T,
            b_enc=take(tensors, "b_enc", path),
            b_dec=take(tensors, "b_dec", path),
            activation=TopK(_k(files)),
            architecture="topk",
            subtract_b_dec=False,
            hook_name=_hook(_layer(files)),
            path=path,
        )


def _k(files: SaeFiles) -> int:
    found = _K.findall(files.label)
    if not found:
        raise SaeError(
            f"{files.label}: k stands only in the name of a Qwen Scope repository (…-W32K-L0_50): "
            "give its folder that name"
        )
    return int(found[-1])


def _width(files: SaeFiles) -> int | None:
    found = _WIDTH.findall(files.label)
    return int(found[-1]) * 1024 if found else None


def _layer(files: SaeFiles) -> int:
    return int(_FILE.findall(files.label)[-1])


def _hook(layer: int) -> str:
    return f"blocks.{layer}.hook_resid_post"
