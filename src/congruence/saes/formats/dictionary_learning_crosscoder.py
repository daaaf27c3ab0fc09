"""dictionary_learning's crosscoders (crosscoder_learning, diffing-toolkit)."""

from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor

from congruence.errors import SaeError
from congruence.hook_names import HookPoint
from congruence.saes.crosscoder import Crosscoder, Reader
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, config_int, folders_with, header_shapes, register_format
from congruence.saes.formats.crosscoders import (
    ARCHITECTURE,
    CrosscoderFormat,
    by_weight,
    check_cube,
    scalar,
    unprefixed,
)
from congruence.saes.formats.dictionary_learning import CROSSCODERS, WEIGHTS, dict_class, normalizer
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take

CONFIG, PUSHED = "config.json", "model.safetensors"
_NORMALIZATIONS = ("CROSSCODER", "SAE", "MIXED", "NONE", "DECOUPLED")
"""What features are multiplied by to be compared with the threshold, in the order of the library's enum."""


@register_format("dictionary_learning_crosscoder")
class DictionaryLearningCrosscoder(CrosscoderFormat):
    """`encoder.weight` (m, d, F), `decoder.weight` (m, F, d); BatchTopK fires by a threshold; −1 is none."""

    looks_for = f"{CONFIG} with dict_class CrossCoder or BatchTopKCrossCoder, and {' or '.join(WEIGHTS)}"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [folder for name in WEIGHTS for folder in folders_with(files, name, CONFIG)]

    def accepts(self, files: SaeFiles) -> bool:
        return dict_class(files) in CROSSCODERS

    def parts(self, files: SaeFiles) -> list[str]:
        return [CONFIG, self._weights(files)]

    def places(self, files: SaeFiles) -> int | None:
        weights = self._weights(files)
        shape = header_shapes(files.path(weights)).get("decoder.weight") if weights == PUSHED else None
        found = shape[0] if shape else files.config(CONFIG).get("num_layers", 2)
        return found if isinstance(found, int) else None

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = files.config(CONFIG)
        trainer = config.get("trainer")
        trainer = trainer if isinstance(trainer, dict) else config
        return self.entry(
            files,
            hook_name=_hook(files, config),
            d_in=trainer.get("activation_dim"),
            d_sae=trainer.get("dict_size"),
            architecture=ARCHITECTURE,
        )

    def crosscoder(self, files: SaeFiles) -> Crosscoder:
        config, weights = files.config(CONFIG), self._weights(files)
        tensors, path = unprefixed(files.tensors(weights)), files.path(weights)
        W_enc = check_cube(take(tensors, "encoder.weight", path), "encoder.weight", path)
        W_dec = check_cube(take(tensors, "decoder.weight", path), "decoder.weight", path)
        if len(W_enc) != len(W_dec):
            raise SaeError(
                f"{path}: it reads {len(W_enc)} places and writes to {len(W_dec)}: only crosscoders that "
                "read all the places they write to are supported"
            )
        threshold, kind = tensors.get("threshold"), _normalization(tensors, config, path)
        mean, scale = normalizer(tensors, path)
        if kind == "DECOUPLED" and mean is not None:
            raise SaeError(f"{path}: decoupled codes of normalised activations aren't supported")
        hook = _hook(files, config)
        return Crosscoder(
            readers=(Reader(tuple(range(len(W_enc))), W_enc),),
            W_dec=W_dec,
            b_enc=take(tensors, "encoder.bias", path),
            b_dec=take(tensors, "decoder.bias", path),
            rules=by_weight(
                "relu" if threshold is None else "jumprelu", _weights(kind, W_dec), threshold, None, path
            ),
            mean=mean,
            scale=scale,
            hook_names=(hook,) * len(W_enc),
            path=path,
            metadata=config,
        )

    @staticmethod
    def _weights(files: SaeFiles) -> str:
        return next((name for name in WEIGHTS if files.has(name)), PUSHED)


@register_format("dictionary_learning_hub_crosscoder")
class PushedCrosscoder(DictionaryLearningCrosscoder):
    """The same as `push_to_hub` writes it."""

    looks_for = f"{CONFIG} and {PUSHED} with an encoder.weight of three dimensions"
    only_if_alone = True

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, PUSHED, CONFIG)

    def accepts(self, files: SaeFiles) -> bool:
        if not isinstance(files.source, LocalFolder):
            return "code_normalization" in files.config(CONFIG)
        return len(header_shapes(files.path(PUSHED)).get("encoder.weight", ())) == 3


def _normalization(tensors: dict[str, Any], config: dict[str, Any], path: object) -> str:
    number = scalar(tensors, "code_normalization_id", path)
    if number is not None:
        if not 1 <= number <= len(_NORMALIZATIONS):
            raise SaeError(
                f"{path}: code_normalization_id {number} isn't known: 1 to {len(_NORMALIZATIONS)} are"
            )
        return _NORMALIZATIONS[number - 1]
    named = str(config.get("code_normalization", "CROSSCODER")).upper()
    return named if named in _NORMALIZATIONS else "CROSSCODER"


def _weights(kind: str, W_dec: Tensor) -> Tensor:
    norms = W_dec.float().norm(dim=-1)
    joint = W_dec.float().norm(dim=(0, 2))
    return {
        "CROSSCODER": norms.sum(dim=0),
        "SAE": joint,
        "MIXED": joint + 0.1 * norms.sum(dim=0),
        "NONE": torch.ones_like(joint),
        "DECOUPLED": norms,
    }[kind]


def _hook(files: SaeFiles, config: dict[str, Any]) -> str | None:
    trainer = config.get("trainer")
    told = trainer if isinstance(trainer, dict) and trainer.get("layer") is not None else {}
    layer = config_int(told, "layer", files.label, default=-1)
    layer = files.layer_from_name() if layer < 0 else layer
    return None if layer is None else HookPoint(layer).transformer_lens
