"""dictionary_learning: `ae.pt` and a `config.json` whose `trainer.dict_class` says how to read it."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from congruence.errors import SaeError, unknown_name
from congruence.hook_names import HookPoint
from congruence.saes.activation_functions import Activation, Gated, JumpReLU, ReLU, TopK
from congruence.saes.checks import check_matrix, check_size
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, folders_with, register_format
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "config.json", "ae.pt"
_SUBMODULE = re.compile(r"(resid_pre|resid_post|mlp_out|att\w*_out)")


@register_format("dictionary_learning")
class DictionaryLearning(SaeFormat):
    """Seven classes, each with its own tensor names; the weights are taken as stored.

    (`AutoEncoder.from_pretrained` of the library folds decoder norms on loading, the others don't: ask for
    `fold_decoder_norm=True` to have that.)
    """

    looks_for = f"{WEIGHTS} and {CONFIG}"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS, CONFIG)

    def describe(self, files: SaeFiles) -> SaeEntry:
        trainer = _trainer(files)
        return self.entry(
            files,
            hook_name=_hook(files, trainer),
            d_in=trainer.get("activation_dim"),
            d_sae=trainer.get("dict_size"),
            architecture=CLASSES[name].architecture
            if (name := trainer.get("dict_class")) in CLASSES
            else None,
        )

    def read(self, files: SaeFiles) -> Sae:
        trainer, path = _trainer(files), files.path(WEIGHTS)
        name = trainer.get("dict_class")
        if name not in CLASSES:
            raise SaeError(f"{files.label}/{CONFIG}: {unknown_name('dict_class', name, CLASSES)}")
        sae = CLASSES[name].read(files.tensors(WEIGHTS), path)
        check_size(sae.d_in, trainer.get("activation_dim"), "activation_dim", path)
        check_size(sae.d_sae, trainer.get("dict_size"), "dict_size", path)
        return replace(sae, hook_name=_hook(files, trainer), metadata=files.config(CONFIG))


def _trainer(files: SaeFiles) -> dict[str, Any]:
    trainer = files.config(CONFIG).get("trainer")
    if not isinstance(trainer, dict):
        raise SaeError(f"{files.label}/{CONFIG} has no `trainer`: is it dictionary_learning's config?")
    return trainer


def _hook(files: SaeFiles, trainer: dict[str, Any]) -> str | None:
    layer = trainer.get("layer", files.layer_from_name())
    if not isinstance(layer, int):
        return None
    site = _SUBMODULE.search(str(trainer.get("submodule_name") or files.label))
    kind = site[1] if site else "resid_post"
    return HookPoint(layer, "attn_out" if kind.startswith("att") else kind).transformer_lens


@dataclass(frozen=True)
class _Class:
    """How one class names its tensors and what it does with them.

    Attributes:
        by_linear: whether weights are those of `torch.nn.Linear`, outputs first, or parameters as ours.
    """

    architecture: str
    b_enc: str
    b_dec: str
    rule: Callable[[dict[str, Any], Path], Activation]
    by_linear: bool = True
    subtract_b_dec: bool = True

    def read(self, tensors: dict[str, Any], path: Path) -> Sae:
        names = ("encoder.weight", "decoder.weight") if self.by_linear else ("W_enc", "W_dec")
        W_enc, W_dec = (check_matrix(take(tensors, name, path), name, path) for name in names)
        return Sae(
            W_enc=W_enc.T if self.by_linear else W_enc,
            W_dec=W_dec.T if self.by_linear else W_dec,
            b_enc=take(tensors, self.b_enc, path),
            b_dec=take(tensors, self.b_dec, path),
            activation=self.rule(tensors, path),
            architecture=self.architecture,
            subtract_b_dec=self.subtract_b_dec,
            path=path,
        )


def _relu(tensors: dict[str, Any], path: Path) -> Activation:
    return ReLU()


def _gated(tensors: dict[str, Any], path: Path) -> Activation:
    return Gated(take(tensors, "r_mag", path), take(tensors, "gate_bias", path))


def _topk(tensors: dict[str, Any], path: Path) -> Activation:
    """A threshold is stored as well, but the class's own encoder goes by k."""
    k = tensors.get("k")
    if isinstance(k, Tensor) and k.numel() == 1:
        return TopK(int(k))
    if isinstance(k, int):
        return TopK(k)
    raise SaeError(f"{path}: k is {k!r}, expected a whole number: is the file whole?")


def _threshold(tensors: dict[str, Any], path: Path) -> Activation:
    """One a feature, or one for all: -1, where BatchTopK never set it, lets every positive one fire."""
    return JumpReLU(take(tensors, "threshold", path))


CLASSES = {
    "AutoEncoder": _Class("relu", "encoder.bias", "bias", _relu),
    "AutoEncoderNew": _Class("relu", "encoder.bias", "decoder.bias", _relu, subtract_b_dec=False),
    "GatedAutoEncoder": _Class("gated", "mag_bias", "decoder_bias", _gated),
    "AutoEncoderTopK": _Class("topk", "encoder.bias", "b_dec", _topk),
    "BatchTopKSAE": _Class("batchtopk", "encoder.bias", "b_dec", _threshold),
    "JumpReluAutoEncoder": _Class(
        "jumprelu", "b_enc", "b_dec", _threshold, by_linear=False, subtract_b_dec=False
    ),
    "MatryoshkaBatchTopKSAE": _Class("matryoshka", "b_enc", "b_dec", _threshold, by_linear=False),
}
