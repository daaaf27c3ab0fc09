"""qresearch's SAE of DeepSeek-R1-Distill-Llama-8B: one `….pt` of two linear layers, its layer in the name."""

import re
from collections.abc import Collection, Iterable

from congruence.saes.checks import check_matrix
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, register_format
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take

_TENSORS = {"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"}


@register_format("deepseek_r1")
class DeepSeekR1(SaeFormat):
    """ReLU SAEs on the residual stream; weights as of `torch.nn.Linear`, and b_dec isn't subtracted."""

    looks_for = "one .pt file with encoder.weight, decoder.weight and their biases"
    only_if_alone = True

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [file for file in files if file.endswith((".pt", ".pth"))]

    def accepts(self, files: SaeFiles) -> bool:
        if not isinstance(files.source, LocalFolder):
            return "deepseek-r1" in files.label.lower()
        tensors = files.tensors()
        return set(tensors) == _TENSORS and getattr(tensors["encoder.weight"], "ndim", 0) == 2

    def describe(self, files: SaeFiles) -> SaeEntry:
        return self.entry(files, hook_name=_hook(files), architecture="relu")

    def read(self, files: SaeFiles) -> Sae:
        tensors, path = files.tensors(), files.path()
        names = ("encoder.weight", "decoder.weight")
        W_enc, W_dec = (check_matrix(take(tensors, name, path), name, path).T for name in names)
        return Sae(
            W_enc=W_enc,
            W_dec=W_dec,
            b_enc=take(tensors, "encoder.bias", path),
            b_dec=take(tensors, "decoder.bias", path),
            subtract_b_dec=False,
            hook_name=_hook(files),
            path=path,
        )


def _hook(files: SaeFiles) -> str | None:
    found = re.findall(r"(?<![A-Za-z0-9])l(?:ayer)?[-_]?(\d+)(?![A-Za-z0-9])", files.label)
    return f"blocks.{found[-1]}.hook_resid_post" if found else None
