"""dictionary_learning: `ae.pt` and a `config.json` whose `trainer.dict_class` says how to read it."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from congruence.errors import SaeError, unknown_name
from congruence.hook_names import HookPoint
from congruence.saes.activation_functions import Activation, Gated, JumpReLU, ReLU, TopK
from congruence.saes.checks import check_matrix, check_size
from congruence.saes.entry import SaeEntry
from congruence.saes.folding import fold_decoder_norm
from congruence.saes.formats.base import (
    SaeFiles,
    SaeFormat,
    folders_with,
    header_shapes,
    register_format,
)
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "config.json", ("ae.pt", "model_final.pt")
CROSSCODERS = ("CrossCoder", "BatchTopKCrossCoder")
PUSHED = "model.safetensors"
_MATRICES = ("encoder.weight", "decoder.weight", "W_enc", "W_dec")
_TENSORS_OF: dict[str, set[str]] = {
    "GatedAutoEncoder": {
        "encoder.weight",
        "decoder.weight",
        "r_mag",
        "gate_bias",
        "mag_bias",
        "decoder_bias",
    },
    "BatchTopKSAE": {"encoder.weight", "encoder.bias", "decoder.weight", "b_dec", "k", "threshold"},
    "AutoEncoderTopK": {"encoder.weight", "encoder.bias", "decoder.weight", "b_dec", "k"},
    "AutoEncoder": {"encoder.weight", "encoder.bias", "decoder.weight", "bias"},
    "AutoEncoderNew": {"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"},
    "MatryoshkaBatchTopKSAE": {"W_enc", "W_dec", "b_enc", "b_dec", "k", "threshold", "group_sizes"},
    "JumpReluAutoEncoder": {"W_enc", "W_dec", "b_enc", "b_dec", "threshold"},
}
_FOLDED_WHERE_PUSHED = ("GatedAutoEncoder", "JumpReluAutoEncoder")
"""Classes whose `encode`, in the fork that can push, multiplies features by their decoder norms."""
_SUBMODULE = re.compile(r"(resid_pre|resid_post|mlp_out|att\w*_out)")


@register_format("dictionary_learning")
class DictionaryLearning(SaeFormat):
    """Seven classes, each with its own tensor names; the weights are taken as stored.

    (`AutoEncoder.from_pretrained` of the library folds decoder norms on loading, the others don't: ask for
    `fold_decoder_norm=True` to have that.)
    """

    looks_for = f"{' or '.join(WEIGHTS)}, and {CONFIG}"
    reads = (CONFIG, WEIGHTS[0])

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return dict.fromkeys(folder for name in WEIGHTS for folder in folders_with(files, name, CONFIG))

    def accepts(self, files: SaeFiles) -> bool:
        return dict_class(files) not in CROSSCODERS

    def parts(self, files: SaeFiles) -> list[str]:
        return [CONFIG, _weights(files)]

    def describe(self, files: SaeFiles) -> SaeEntry:
        trainer = _trainer(files)
        return self.entry(
            files,
            hook_name=_hook(files, trainer),
            d_in=trainer.get("activation_dim"),
            d_sae=trainer.get("dict_size"),
            architecture=CLASSES[name].architecture if (name := dict_class(files)) in CLASSES else None,
        )

    def read(self, files: SaeFiles) -> Sae:
        trainer, path, name = _trainer(files), files.path(_weights(files)), dict_class(files)
        if name not in CLASSES:
            raise SaeError(f"{files.label}/{CONFIG}: {unknown_name('dict_class', name, CLASSES)}")
        sae = CLASSES[name].read(files.tensors(_weights(files)), path)
        check_size(sae.d_in, trainer.get("activation_dim"), "activation_dim", path)
        check_size(sae.d_sae, trainer.get("dict_size"), "dict_size", path)
        return replace(sae, hook_name=_hook(files, trainer), metadata=files.config(CONFIG))


@register_format("dictionary_learning_hub")
class Pushed(SaeFormat):
    """The same classes as `push_to_hub` writes them; the names of the tensors tell which."""

    looks_for = f"{CONFIG} and {PUSHED} with an encoder.weight of two dimensions, or W_enc"
    reads = (CONFIG, PUSHED)
    only_if_alone = True

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, PUSHED, CONFIG)

    def accepts(self, files: SaeFiles) -> bool:
        if not isinstance(files.source, LocalFolder):
            config = files.config(CONFIG)
            return {"activation_dim", "dict_size"} <= set(config) and "code_normalization" not in config
        shapes = header_shapes(files.path(PUSHED))
        return _class_of(shapes) is not None and all(len(shapes.get(name, (1, 1))) == 2 for name in _MATRICES)

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = files.config(CONFIG)
        return self.entry(
            files,
            hook_name=_hook(files, {}),
            d_in=config.get("activation_dim"),
            d_sae=config.get("dict_size"),
        )

    def read(self, files: SaeFiles) -> Sae:
        config, tensors, path = files.config(CONFIG), files.tensors(PUSHED), files.path(PUSHED)
        name = _class_of(tensors)
        if name is None:
            raise SaeError(
                f"{path}: its tensors are of no class of dictionary_learning: {', '.join(sorted(tensors))}"
            )
        sae = CLASSES[name].read(tensors, path)
        if name in _FOLDED_WHERE_PUSHED:
            sae = fold_decoder_norm(sae)
        check_size(sae.d_in, config.get("activation_dim"), "activation_dim", path)
        check_size(sae.d_sae, config.get("dict_size"), "dict_size", path)
        return replace(sae, hook_name=_hook(files, {}), metadata=config)


def _class_of(names: Collection[str]) -> str | None:
    """The class that has such tensors; a threshold makes a BatchTopK, k without one a TopK."""
    for name, needed in _TENSORS_OF.items():
        if needed <= set(names):
            return name
    return None


def dict_class(files: SaeFiles) -> str | None:
    """What the config calls its class; None where it has no such word."""
    trainer = files.config(CONFIG).get("trainer")
    name = trainer.get("dict_class") if isinstance(trainer, dict) else None
    return name if isinstance(name, str) else None


def normalizer(tensors: dict[str, Any], path: object) -> tuple[Tensor | None, Tensor | None]:
    """(mean, scale) of inputs; (None, None) where the buffers, full of NaN, were never set."""
    mean = tensors.get("activation_mean")
    if mean is None or not bool(torch.isfinite(mean).all()):
        return None, None
    if "activation_global_scale" in tensors:
        return mean, take(tensors, "activation_global_scale", None)
    variance = (take(tensors, "activation_std", None) ** 2).sum(dim=-1)
    return mean, tensors.get("target_rms", torch.tensor(1.0)) / torch.sqrt(variance + 1e-8)


def _weights(files: SaeFiles) -> str:
    return next((name for name in WEIGHTS if files.has(name)), WEIGHTS[0])


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
        return _unnormalized(
            tensors,
            path,
            Sae(
                W_enc=W_enc.T if self.by_linear else W_enc,
                W_dec=W_dec.T if self.by_linear else W_dec,
                b_enc=take(tensors, self.b_enc, path),
                b_dec=take(tensors, self.b_dec, path),
                activation=self.rule(tensors, path),
                architecture=self.architecture,
                subtract_b_dec=self.subtract_b_dec,
                path=path,
            ),
        )


def _unnormalized(tensors: dict[str, Any], path: Path, sae: Sae) -> Sae:
    """The SAE on inputs as they are, where it was trained on (x - mean) · scale: both go into the weights."""
    mean, scale = normalizer(tensors, path)
    if mean is None or scale is None:
        return sae
    if not sae.subtract_b_dec or scale.numel() != 1:
        raise SaeError(f"{path}: activation_mean isn't supported of a class that doesn't subtract b_dec")
    return replace(
        sae, W_enc=sae.W_enc * scale, W_dec=sae.W_dec / (scale + 1e-8), b_dec=sae.b_dec / scale + mean
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
