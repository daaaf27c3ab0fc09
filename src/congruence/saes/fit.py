"""How well an SAE fits the vectors it is fed: what the doctor judges by, and the figures of a trained SAE."""

import math
from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from congruence.errors import InputError
from congruence.saes.sae import Sae

_DENSE_VALUES = 1 << 23
_RARE = 10


@runtime_checkable
class Autoencoder(Protocol):
    """What can be measured beside an :class:`Sae`: anything that encodes and decodes."""

    def encode(self, x: Tensor) -> Tensor: ...

    def decode(self, f: Tensor) -> Tensor: ...


class Sized(Autoencoder, Protocol):
    """The same with its number of features."""

    @property
    def d_sae(self) -> int: ...


@dataclass(frozen=True)
class Fit:
    """An SAE on some vectors: t is what it has to give (its input or a transcoder's target), t̂ what it gives.

    A figure that an older record doesn't have is NaN.

    Attributes:
        fvu: fraction of variance unexplained, Σ‖t − t̂‖² / Σ‖t − mean(t)‖²; above 1 it is worse than the mean,
            NaN where t doesn't vary.
        cosine: mean cosine of t and t̂.
        norm_ratio: Σ‖t̂‖ / Σ‖t‖.
        l0: mean number of active features a token.
        dead_share: share of features that fire on none of the tokens.
        rare_share: share that fires on some, but on fewer than ten.
        max_firing_rate: share of tokens on which the busiest feature fires.
        tokens: number of tokens measured.
        d_sae: number of features.
    """

    fvu: float
    cosine: float = math.nan
    norm_ratio: float = math.nan
    l0: float = math.nan
    dead_share: float = math.nan
    rare_share: float = math.nan
    max_firing_rate: float = math.nan
    tokens: int = 0
    d_sae: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


class FitMeter:
    """Running sums for :class:`Fit` in float64, so that batches don't matter; memory O(d + d_sae).

    Variances are summed around the first vector, so that a large mean costs no digits.
    """

    def __init__(self, sae: Sae | Autoencoder) -> None:
        self._sae = sae
        self._tokens = 0
        self._error = self._squares = self._cosine = self._norm = self._norm_out = 0.0
        self._first: Tensor | None = None
        self._sum: Tensor | None = None
        self._firings: Tensor | None = None

    @torch.no_grad()
    def update(self, x: Float[Tensor, "n ..."], target: Float[Tensor, "n e"] | None = None) -> None:
        """Add a batch of tokens.

        Args:
            x: what the SAE is fed.
            target: what it has to give; `x` unless it is a transcoder.
        """
        if not len(x):
            return
        feature_acts = self._sae.encode(x)
        wanted = (x if target is None else target).double().cpu()
        given = self._output(feature_acts, x).double().cpu()
        firings = (feature_acts != 0).sum(0).cpu()
        self._first = wanted[0] if self._first is None else self._first
        shifted = wanted - self._first
        self._tokens += len(x)
        self._error += float((wanted - given).square().sum())
        self._squares += float(shifted.square().sum())
        self._cosine += float(torch.nn.functional.cosine_similarity(wanted, given, dim=-1).sum())
        self._norm += float(wanted.norm(dim=-1).sum())
        self._norm_out += float(given.norm(dim=-1).sum())
        self._sum = shifted.sum(0) if self._sum is None else self._sum + shifted.sum(0)
        self._firings = firings if self._firings is None else self._firings + firings

    def result(self) -> Fit:
        """The figures of all batches.

        Raises:
            InputError: there were fewer than two tokens, or they don't vary.
        """
        if self._tokens < 2 or self._variance() <= 0:
            raise InputError(f"activations of {self._tokens} tokens don't vary: measure on more text")
        return self._figures()

    def _figures(self) -> Fit:
        assert self._firings is not None
        return Fit(
            fvu=_ratio(self._error, self._variance()),
            cosine=self._cosine / self._tokens,
            norm_ratio=_ratio(self._norm_out, self._norm),
            l0=int(self._firings.sum()) / self._tokens,
            dead_share=float((self._firings == 0).double().mean()),
            rare_share=float(((self._firings > 0) & (self._firings < _RARE)).double().mean()),
            max_firing_rate=int(self._firings.max()) / self._tokens,
            tokens=self._tokens,
            d_sae=len(self._firings),
        )

    def _variance(self) -> float:
        if self._sum is None:
            return 0.0
        return self._squares - float(self._sum.square().sum()) / self._tokens

    def _output(self, feature_acts: Tensor, x: Tensor) -> Tensor:
        if not isinstance(self._sae, Sae):
            return self._sae.decode(feature_acts)
        return self._sae.decode(feature_acts, x) if self._sae.W_skip is None else self._sae.reconstruct(x)


def measure(sae: Sae | Sized, x: Float[Tensor, "n ..."], target: Float[Tensor, "n e"] | None = None) -> Fit:
    """The figures of one SAE; fvu is NaN where what it has to give doesn't vary.

    Args:
        sae: any SAE or transcoder, or a place of a crosscoder.
        x: what it is fed, at least one token; (n, m, d) for a crosscoder of m places.
        target: what it has to give; by default `x` itself.

    Memory: a dense batch of at most 2²³ activations.

    Source: ours; fvu, l0 and dead features as in Gao et al. 2024 (arXiv 2406.04093).
    """
    meter = FitMeter(sae)
    size = max(1, _DENSE_VALUES // sae.d_sae)
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        meter.update(x[part], None if target is None else target[part])
    return meter._figures()


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
