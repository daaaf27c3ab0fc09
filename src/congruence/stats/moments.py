"""Firing counts, means and deviations of every feature: a streaming state that merges."""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from scipy import sparse

from congruence.errors import InputError
from congruence.stats.prefetch import prefetch
from congruence.stats.sources import Source

_DENSE_VALUES = 1 << 24
_NOT_FINITE = "activations hold NaN or infinity: check the model's dtype and the SAE"


@dataclass(frozen=True)
class Moments:
    """Per-feature statistics over n tokens, the silent ones included.

    Attributes:
        n: tokens.
        firings: (f,) int64 tokens with a non-zero activation.
        mean: (f,) float64.
        mean_rest: (f,) what rounding `mean` to float64 left out.
        square_deviation: (f,) float64 sum over tokens of (x - mean)^2.
        constant: (f,) bool, the feature has one value on every token (dead features among them).
        negative: whether any activation is below zero.
    """

    n: int
    firings: np.ndarray
    mean: np.ndarray
    mean_rest: np.ndarray
    square_deviation: np.ndarray
    constant: np.ndarray
    negative: bool

    def __len__(self) -> int:
        return len(self.firings)

    @property
    def std(self) -> np.ndarray:
        """(f,) population standard deviation, sqrt(sum (x - mean)^2 / n)."""
        return np.sqrt(self.square_deviation / self.n)

    @property
    def square_sum(self) -> np.ndarray:
        """(f,) sum over tokens of x^2."""
        return self.square_deviation + self.n * self.mean**2

    def of_features(self, features: np.ndarray) -> "Moments":
        """Those of some features, in the order given."""
        parts = ("firings", "mean", "mean_rest", "square_deviation", "constant")
        return replace(self, **{part: getattr(self, part)[features] for part in parts})


class MomentsState:
    """Moments over batches that come in any order; states merge.

    Over the tokens on which a feature fires, keeps their count k and the sums of d = x - p and of d^2 about
    the first value p it met. As p is one of the values, (p - mean)^2 is at most k times their variance: a
    huge mean can't swallow a tiny variance, and equal values give exactly zero. The silent tokens are put in
    at the end: sum (x - mean)^2 = q + k u^2 (1 - k / n), with u and q the firing tokens' mean and squared
    deviation. Memory 32 f bytes.
    """

    def __init__(self, n_features: int) -> None:
        self.n = 0
        self.sums = np.zeros((n_features, 4))
        self.negative = False

    def update(self, block: sparse.csr_array) -> None:
        """Add a canonical CSR block of tokens.

        Raises:
            InputError: an activation is NaN or infinite.
        """
        finite, negative = add_entries(block.indices, block.data, self.sums)
        if not finite:
            raise InputError(_NOT_FINITE)
        self.negative |= bool(negative)
        self.n += len(block.indptr) - 1

    def update_dense(self, block: np.ndarray) -> None:
        """Add a dense (n, f) block of tokens.

        Raises:
            InputError: an activation is NaN or infinite.
        """
        sums = np.ascontiguousarray(self.sums.T)
        add_dense(np.ascontiguousarray(block), *sums)
        if not np.isfinite(sums).all():
            raise InputError(_NOT_FINITE)
        self.sums = np.ascontiguousarray(sums.T)
        self.negative |= bool(block.size and block.min() < 0)
        self.n += len(block)

    def merge(self, other: "MomentsState") -> None:
        """Take in what another state has seen."""
        unseen = self.sums[:, COUNT] == 0
        pivot = np.where(unseen, other.sums[:, PIVOT], self.sums[:, PIVOT])
        moved = other.sums[:, PIVOT] - pivot
        count, total = other.sums[:, COUNT], other.sums[:, SUM]
        self.sums[:, PIVOT] = pivot
        self.sums[:, COUNT] += count
        self.sums[:, SUM] += np.where(count > 0, total + count * moved, 0.0)
        about = other.sums[:, SQUARES] + 2.0 * moved * total + count * moved**2
        self.sums[:, SQUARES] += np.where(count > 0, np.maximum(about, 0.0), 0.0)
        self.negative |= other.negative
        self.n += other.n

    def finalize(self) -> Moments:
        """The moments over every token seen."""
        count, pivot, total, squares = self.sums.T
        fires = np.maximum(count, 1.0)
        mean, rest = _two_sum(pivot, total / fires)
        deviation = np.maximum(squares - total**2 / fires, 0.0)
        rate = count / max(self.n, 1)
        whole = deviation + count * mean**2 * (1.0 - rate)
        constant = ~(whole > 0)
        return Moments(
            n=self.n,
            firings=count.astype(np.int64),
            mean=mean * rate,
            mean_rest=rest * rate,
            square_deviation=np.where(constant, 0.0, whole),
            constant=constant,
            negative=self.negative,
        )


def _two_sum(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x + y rounded, and the rounding error (Knuth, The Art of Computer Programming, vol. 2, 4.2.2)."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def moments_of(source: Source) -> Moments:
    """Moments of a whole source, in one pass."""
    state = MomentsState(source.n_features)
    if source.dense is None:
        for _, block in source.blocks():
            state.update(block)
    else:
        for block in source.dense_blocks(max(1, _DENSE_VALUES // max(1, source.n_features))):
            state.update_dense(block)
    return state.finalize()


COUNT, PIVOT, SUM, SQUARES = 0, 1, 2, 3
_FAR = 24


@njit(cache=True, nogil=True)
def add_entries(indices, data, sums):
    """Add a block's stored values to each feature's count, sum and sum of squares about its first value.

    `sums` (f, 4) holds COUNT, PIVOT, SUM and SQUARES side by side, one cache line a feature or less.

    Returns:
        (every value is finite, some value is negative).
    """
    finite, negative, last = True, False, len(data) - 1
    for p in range(len(data)):
        prefetch(sums, 4 * np.int64(indices[min(p + _FAR, last)]))
        x = np.float64(data[p])
        finite &= np.isfinite(x)
        negative |= x < 0.0
        j = np.uint32(indices[p])
        if sums[j, COUNT] == 0.0:
            sums[j, PIVOT] = x
        d = x - sums[j, PIVOT]
        sums[j, COUNT] += 1.0
        sums[j, SUM] += d
        sums[j, SQUARES] += d * d
    return finite, negative


@njit(cache=True, nogil=True)
def add_dense(block, count, pivot, total, squares):
    """The same for every non-zero value of a dense block; sums lie apart, for vector instructions."""
    for t in range(block.shape[0]):
        for j in range(block.shape[1]):
            x = np.float64(block[t, j])
            fires = 1.0 if x != 0.0 else 0.0
            pivot[j] = x if count[j] == 0.0 else pivot[j]
            d = (x - pivot[j]) * fires
            count[j] += fires
            total[j] += d
            squares[j] += d * d


@njit(cache=True, nogil=True)
def add_squares(indices, data, out):
    """Add the squares of a block's values, rounded to float32, to each feature's sum."""
    for p in range(len(data)):
        x = np.float64(np.float32(data[p]))
        out[indices[p]] += x * x
