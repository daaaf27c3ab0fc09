"""What an SAE does to a token's activation before its encoder sees it, and how its output is scaled back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

EPSILON = 1e-5


class InputScaling(ABC):
    """A rule of scaling."""

    name: ClassVar[str]
    per_token: ClassVar[bool] = False
    """Whether undoing it needs the token's own input."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """What the encoder sees of the input `x` (n, d_in)."""

    @abstractmethod
    def undo(self, out: Tensor, x: Tensor | None) -> Tensor:
        """The decoder's output on the scale of the input `x`, which is needed where `per_token` holds."""


@dataclass(frozen=True)
class Unscaled(InputScaling):
    """The input as it is."""

    name = "none"

    def __call__(self, x: Tensor) -> Tensor:
        return x

    def undo(self, out: Tensor, x: Tensor | None) -> Tensor:
        return out


@dataclass(frozen=True)
class ConstantFactor(InputScaling):
    """x · factor, one factor for all tokens: what brings the data's mean norm to √d."""

    factor: float

    name = "constant_factor"

    def __call__(self, x: Tensor) -> Tensor:
        return x * self.factor

    def undo(self, out: Tensor, x: Tensor | None) -> Tensor:
        return out / self.factor


@dataclass(frozen=True)
class ConstantNorm(InputScaling):
    """x · √d / ‖x‖: every token on the sphere of radius √d (SAELens: constant_norm_rescale)."""

    name = "constant_norm_rescale"
    per_token = True

    def __call__(self, x: Tensor) -> Tensor:
        return x * self._factor(x)

    def undo(self, out: Tensor, x: Tensor | None) -> Tensor:
        assert x is not None
        return out / self._factor(x)

    @staticmethod
    def _factor(x: Tensor) -> Tensor:
        return x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True)


@dataclass(frozen=True)
class LayerNorm(InputScaling):
    """(x - mean) / (std + 1e-5) over a token's own dimensions, std with n - 1; undone with the std alone.

    SAELens and OpenAI's own code agree in all of this.
    """

    name = "layer_norm"
    per_token = True

    def __call__(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        return centred / (torch.std(centred, dim=-1, keepdim=True) + EPSILON)

    def undo(self, out: Tensor, x: Tensor | None) -> Tensor:
        assert x is not None
        return out * torch.std(x, dim=-1, keepdim=True) + x.mean(dim=-1, keepdim=True)
