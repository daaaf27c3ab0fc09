"""How well an SAE reconstructs held-out activations, and how much of it is used."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from congruence.errors import InputError

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Autoencoder(Protocol):
    """What is measured: anything that encodes and decodes."""

    def encode(self, x: "torch.Tensor") -> "torch.Tensor": ...

    def decode(self, f: "torch.Tensor") -> "torch.Tensor": ...


@dataclass(frozen=True)
class Quality:
    """Figures of one SAE on held-out tokens.

    Attributes:
        fvu: fraction of variance unexplained, Σ‖x − x̂‖² / Σ‖x − mean(x)‖².
        l0: mean number of active features a token.
        dead_share: share of features that fire on none of the tokens.
        rare_share: share that fires on some, but on fewer than ten.
        max_firing_rate: share of tokens on which the busiest feature fires.
        tokens: number of tokens measured.
    """

    fvu: float
    l0: float
    dead_share: float
    rare_share: float
    max_firing_rate: float
    tokens: int


class QualityMeter:
    """Running sums for :class:`Quality`; memory O(d_in + d_sae)."""

    def __init__(self, sae: Autoencoder) -> None:
        self._sae = sae
        self._error = self._squares = 0.0
        self._sum: np.ndarray | float = 0.0
        self._firings: np.ndarray | float = 0.0
        self._tokens = 0

    def update(self, x: "torch.Tensor") -> None:
        """Add a batch of activations (n, d_in)."""
        import torch

        with torch.no_grad():
            feature_acts = self._sae.encode(x)
            error = (x - self._sae.decode(feature_acts).to(x.device)).double()
            wide = x.double()
            self._error += error.pow(2).sum().item()
            self._squares += wide.pow(2).sum().item()
            self._sum = self._sum + wide.sum(0).cpu().numpy()
            self._firings = self._firings + (feature_acts != 0).sum(0).cpu().numpy()
            self._tokens += len(x)

    def result(self) -> Quality:
        """The figures of all batches.

        Raises:
            InputError: there were fewer than two tokens, or they don't vary.
        """
        variance = self._squares - float(np.square(self._sum).sum()) / max(self._tokens, 1)
        if self._tokens < 2 or variance <= 0:
            raise InputError(f"held-out activations of {self._tokens} tokens don't vary: hold out more text")
        firings = np.asarray(self._firings)
        return Quality(
            fvu=self._error / variance,
            l0=float(firings.sum()) / self._tokens,
            dead_share=float((firings == 0).mean()),
            rare_share=float(((firings > 0) & (firings < 10)).mean()),
            max_firing_rate=float(firings.max()) / self._tokens,
            tokens=self._tokens,
        )
