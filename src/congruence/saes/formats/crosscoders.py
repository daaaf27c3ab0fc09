"""What formats of crosscoders have in common: listed beside SAEs, and read by `load_crosscoder` alone."""

import posixpath
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from congruence.errors import SaeError
from congruence.saes.activation_functions import Activation, JumpReLU, ReLU, TopK
from congruence.saes.crosscoder import Crosscoder, in_words
from congruence.saes.formats.base import SaeFiles, SaeFormat
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

ARCHITECTURE = "crosscoder"


class CrosscoderFormat(SaeFormat):
    """One way of laying crosscoders out in files."""

    whole_folder: ClassVar[bool] = False
    """Whether all SAE ids of one folder are parts of one crosscoder."""

    @abstractmethod
    def crosscoder(self, files: SaeFiles) -> Crosscoder:
        """The crosscoder with its tensors as stored (`format` is filled in by the caller)."""

    def places(self, files: SaeFiles) -> int | None:
        """How many places it reads or writes, as far as its config or file headers tell."""
        return None

    def read(self, files: SaeFiles) -> Sae:
        """Refused: a crosscoder is a pairing, not an SAE."""
        path = posixpath.dirname(files.label) if self.whole_folder else files.label
        raise SaeError(
            f"{files.label}: this is {in_words(self.places(files), self.hook_names(files))}, not an SAE: use "
            f"pairing: {{method: crosscoder, path: {path}}}"
        )

    def hook_names(self, files: SaeFiles) -> tuple[str | None, ...]:
        """Where its places are, as far as the files say."""
        return ()


def check_cube(tensor: Tensor, name: str, path: object) -> Tensor:
    """The tensor, if it has three dimensions: places, and a matrix for each."""
    if tensor.ndim != 3 or 0 in tensor.shape:
        raise SaeError(
            f"{path}: {name} has shape {tuple(tensor.shape)}, expected three dimensions: is it a crosscoder?"
        )
    return tensor


def unprefixed(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors by name, without what torch.compile puts before it."""
    return {name.removeprefix("_orig_mod."): value for name, value in tensors.items()}


def by_weight(
    kind: str, weights: Tensor, threshold: Tensor | None, k: int | None, path: object
) -> tuple[Activation, ...]:
    """Rules of features that are compared after being multiplied by a weight, such as their decoder norms.

    Args:
        kind: relu, jumprelu or topk.
        weights: (f,) for one rule, or (m, f) for one a place; what a feature is multiplied by.
        threshold: scalar or (f,); (m,) where each place has its own.
        k: of topk.
        path: the file, for messages.
    """
    if kind == "topk" and k is None:
        raise SaeError(f"{path}: k is missing: is the config whole?")
    rules: list[Activation] = []
    for place, weight in enumerate(weights if weights.ndim == 2 else weights[None]):
        if kind == "topk":
            rules.append(TopK(int(k or 0), weight=weight))
        elif kind == "jumprelu" and threshold is not None:
            own = (
                threshold[place] if weights.ndim == 2 and threshold.shape == weights.shape[:1] else threshold
            )
            least = torch.where(own < 0, own, torch.inf)  # of features without a decoder row
            rules.append(JumpReLU(torch.where(weight > 0, own / weight, least)))
        else:
            rules.append(ReLU())
    return tuple(rules[:1] if all(isinstance(rule, ReLU) for rule in rules) else rules)


def scalar(tensors: Mapping[str, Any], name: str, path: object) -> int | None:
    """A whole number stored as a tensor; None where it isn't there."""
    value = tensors.get(name)
    if value is None:
        return None
    value = take(tensors, name, None) if isinstance(value, Tensor) else torch.tensor(value)
    if value.numel() != 1 or float(value) != int(value):
        raise SaeError(f"{path}: {name} is {value.tolist()!r}, expected one whole number: is the file whole?")
    return int(value)
