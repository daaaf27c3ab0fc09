"""An SAE on its own model's states: the ceiling that mapped states are held against."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse

from congruence.saes import Sae


@dataclass(frozen=True)
class Reading:
    """What an SAE makes of mapped states; see `Transfer` for the figures.

    A transcoder gives something else than it reads, so that its explained variances are NaN.
    """

    explained: float
    explained_of_target: float
    f1: float
    r: float


@dataclass(frozen=True, eq=False)
class Reader:
    """An SAE with its own model's states.

    Attributes:
        sae: the SAE.
        y: (n, d) states of its own model.
        acts: (n, d_sae) its activations on them; given: (n, d) its output.
    """

    sae: Sae
    y: Float[np.ndarray, "n d"]
    acts: sparse.csr_array
    given: Float[np.ndarray, "n e"] | None

    @classmethod
    def of(cls, sae: Sae, y: Float[np.ndarray, "n d"]) -> "Reader":
        """Of (n, d_in) states.

        Memory: 8 n d and the activations.
        """
        y = y.astype(np.float64)
        return cls(sae, y, *_through(sae, y))

    @property
    def k(self) -> int:
        """Features that fire on a token, on average."""
        return max(1, round(self.acts.nnz / max(1, len(self.y))))

    @cached_property
    def ceiling(self) -> float:
        """Explained variance on the native states."""
        return _explained(self.y, self.given, self._spread)

    def read(self, mapped: Float[np.ndarray, "n d"]) -> Reading:
        """What the SAE makes of mapped states, against the native ones."""
        acts, given = _through(self.sae, mapped)
        one, native = _float64(acts), self._native.acts
        products = sparse.csr_array(one.multiply(native))
        return Reading(
            explained=_explained(mapped, given, _spread(mapped)),
            explained_of_target=_explained(self.y, given, self._spread),
            f1=2 * products.nnz / max(1, one.nnz + native.nnz),
            r=_mean_r(_Sums.of(one), self._native, products),
        )

    @cached_property
    def _native(self) -> "_Sums":
        return _Sums.of(_float64(self.acts))

    @cached_property
    def _spread(self) -> float:
        return _spread(self.y)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Activations in float64 with sums over tokens: of values, of squares, and of firings, each (d_sae,)."""

    acts: sparse.csr_array
    first: np.ndarray
    second: np.ndarray
    firings: np.ndarray

    @classmethod
    def of(cls, acts: sparse.csr_array) -> "_Sums":
        first, second = (_by_feature(acts, values) for values in (acts.data, acts.data**2))
        return cls(acts, first, second, _by_feature(acts, np.ones(acts.nnz)))

    @property
    def variance(self) -> np.ndarray:
        """n² times it; 0 of a feature that has one value on every token."""
        n = len(self.acts.indptr) - 1
        found = n * self.second - self.first**2
        silent_somewhere = (self.firings > 0) & (self.firings < n)
        return np.where(silent_somewhere | (found > 1e-12 * n * self.second), found, 0.0)


def _mean_r(one: _Sums, other: _Sums, products: sparse.csr_array) -> float:
    """Mean Pearson r of features that vary in both."""
    n, spread = len(one.acts.indptr) - 1, one.variance * other.variance
    together, varies = _by_feature(products, products.data), spread > 0
    if not varies.any():
        return float("nan")
    r = (n * together - one.first * other.first)[varies] / np.sqrt(spread[varies])
    return float(np.clip(r, -1, 1).mean())


def _by_feature(acts: sparse.csr_array, values: np.ndarray) -> np.ndarray:
    """(d_sae,) sums of one value for each activation."""
    return np.bincount(acts.indices.astype(np.intp), values, acts.shape[1])  # pyright: ignore[reportOptionalSubscript]


def _through(sae: Sae, states: np.ndarray) -> tuple[sparse.csr_array, np.ndarray | None]:
    """Activations and output; no output of a transcoder."""
    x = torch.from_numpy(states.astype(np.float32))
    acts = sae.encode_csr(x)
    if sae.is_transcoder:
        return acts, None
    return acts, sae.decode_csr(acts, x if sae.scaling.per_token else None).double().cpu().numpy()


def _explained(y: np.ndarray, given: np.ndarray | None, spread: float) -> float:
    return 1 - _squares(y - given) / spread if given is not None and spread > 0 else float("nan")


def _spread(y: np.ndarray) -> float:
    return _squares(y - y.mean(axis=0))


def _squares(off: np.ndarray) -> float:
    """Sum of squares; `off` is overwritten."""
    return float(np.multiply(off, off, out=off).sum())


def _float64(acts: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array((acts.data.astype(np.float64), acts.indices, acts.indptr), shape=acts.shape)
