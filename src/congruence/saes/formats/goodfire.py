"""Goodfire: one torch file with `encoder_linear.*` and `decoder_linear.*`, such as `…-SAE-l19.pth`."""

import re
from collections.abc import Collection, Iterable

from congruence.saes.checks import check_matrix
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, register_format
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take


@register_format("goodfire")
class Goodfire(SaeFormat):
    """ReLU SAEs on the residual stream that don't subtract b_dec."""

    looks_for = "one .pt or .pth file with encoder_linear.weight"
    only_if_alone = True

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [file for file in files if file.endswith((".pt", ".pth"))]

    def accepts(self, files: SaeFiles) -> bool:
        if not isinstance(files.source, LocalFolder):
            return "goodfire" in files.label.lower()
        return "encoder_linear.weight" in files.tensors()

    def describe(self, files: SaeFiles) -> SaeEntry:
        return self.entry(files, hook_name=_hook(files), architecture="relu")

    def read(self, files: SaeFiles) -> Sae:
        tensors, path = files.tensors(), files.path()
        names = ("encoder_linear.weight", "decoder_linear.weight")
        W_enc, W_dec = (check_matrix(take(tensors, name, path), name, path).T for name in names)
        return Sae(
            W_enc=W_enc,
            W_dec=W_dec,
            b_enc=take(tensors, "encoder_linear.bias", path),
            b_dec=take(tensors, "decoder_linear.bias", path),
            architecture="relu",
            subtract_b_dec=False,
            hook_name=_hook(files),
            path=path,
        )


def _hook(files: SaeFiles) -> str | None:
    found = re.findall(r"[-_]l(?:ayer)?[-_]?(\d+)\b", files.label)
    return f"blocks.{found[-1]}.hook_resid_post" if found else None
