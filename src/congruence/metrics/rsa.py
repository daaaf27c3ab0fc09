"""`rsa`: do the same pairs of rows lie near each other in both spaces?"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numba
import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from scipy.stats import kendalltau

from congruence.errors import InputError
from congruence.metrics.base import Laws, metric
from congruence.metrics.blas import in_parallel
from congruence.metrics.inputs import paired
from congruence.metrics.kernels import EXACT_BITS, exact_run, over_draws, triangle_draws
from congruence.metrics.lists import FLAT, FromProducts, ListProducts, OfProducts
from congruence.metrics.ranks import BUCKET, centred_ranks, fill_from_order, packed
from congruence.metrics.rdm import TIE, condensed, rounding_of, square
from congruence.records import Score

KINDS = ("correlation", "cosine", "euclidean")
CORRELATION, COSINE, EUCLIDEAN = range(3)
EQUAL = 1e-8
"""Distances of a list that differ by less, relative to the largest, leave nothing to compare."""
NEAR = 2e-8
"""Squared Euclidean distances of a list below this share of the squared norms are only rounding."""
SINGLE = 2**24
"""From so many distances their values are held in four bytes."""


@dataclass(frozen=True)
class PreparedRsa:
    """Both triangles centred (ranked before, for Spearman): a draw is a gather and a dot product."""

    triangle: Shaped[np.ndarray, " pairs"]
    square: Shaped[np.ndarray, "n n"]
    norm: float
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.square)

    def observed(self) -> Score:
        """Correlation of the two triangles."""
        value = float(self.repaired(np.arange(self.n)[None, :])[0])
        return Score("rsa", value, self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same with rows and columns of B's triangle permuted together."""
        return np.clip(triangle_draws(self.triangle, self.square, permutations) / self.norm, -1.0, 1.0)


@dataclass(frozen=True)
class PreparedKendall:
    """Kendall's tau-b counts inversions anew for each draw: O(pairs · log pairs), for small n."""

    triangle: Shaped[np.ndarray, " pairs"]
    square: Shaped[np.ndarray, "n n"]
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.square)

    def observed(self) -> Score:
        """Tau-b of the two triangles."""
        return Score("rsa", float(self._tau(np.arange(self.n))), self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """Tau-b of each draw."""
        return over_draws(lambda block: np.array([self._tau(p) for p in block]), permutations, self.n)

    def _tau(self, order: Int[np.ndarray, " n"]) -> float:
        upper = np.triu_indices(self.n, 1)
        tau = kendalltau(self.triangle, self.square[order[upper[0]], order[upper[1]]])
        return float(np.asarray(tau)[0])


def _norm(values: Shaped[np.ndarray, " pairs"]) -> float:
    if values.dtype.kind == "i":
        return float(np.sqrt(_whole_squares(values, exact_run(values))))
    parts = np.array_split(values, 1 + len(values) // SINGLE)
    return float(np.sqrt(sum((part.astype(np.float64) ** 2).sum() for part in parts)))


@numba.njit(nogil=True, cache=True)
def _whole_squares(values, run):
    """Σ values², whole numbers summed as such in runs."""
    total = 0.0
    for first in range(0, len(values), run):
        part = np.int64(0)
        for k in range(first, min(first + run, len(values))):
            part += np.int64(values[k]) * np.int64(values[k])
        total += part
    return total


def _centred_values(values: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """Values minus their mean; in float32 where there are very many."""
    values = values - values.mean()
    return values if len(values) < SINGLE else values.astype(np.float32)


@metric
class Rsa(OfProducts):
    """Correlation, over all pairs of rows, of their distances in x with their distances in y.

    ρ(D_a[i<j], D_b[i<j]), D the distances between rows of one side. The default (1 − Pearson r of
    rows, Spearman) is what Lan et al. computed; their text says Euclidean.

    Invariant to isotropic scale; to rotations with "euclidean" and "cosine" ("correlation" centres each
    row over its columns, so a rotation changes it slightly); to shifts with "euclidean" alone. Entries
    of a triangle depend on each other: only a re-pairing null gives a p-value. With n rows there are
    n(n−1)/2 distances, so it keeps power at small n and needs 8 n² bytes at large n. Ranks are whole
    numbers and so are their products: draws are exact.

    Returns:
        Score in [-1, 1]; details: rdm, compare, number of row pairs.

    Raises:
        InputError: bad input, an unknown option, a row without direction, or equal distances.

    Source: Kriegeskorte et al. 2008; Lan et al. 2024 (arXiv 2410.06981), section 3.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(rsa(x, 2 * x)), 6)
    1.0
    """

    name = "rsa"
    title = "Representational similarity (RSA)"
    range = (-1.0, 1.0)
    laws = Laws(translation=False, orthogonal=False)
    reading = (
        "How alike the features are to one another is computed within each side; the score is the rank "
        "correlation of the two sets of likenesses. Needs no map between the spaces."
    )
    beware = (
        "Low values can be far above chance: entries of a similarity matrix depend on each other, so only "
        "the permutation p counts."
    )
    says = "the likenesses among features agree with a rank correlation of {score}"

    rdm: Literal["correlation", "euclidean", "cosine"] = "correlation"
    """Distance between rows: "correlation", "euclidean" or "cosine"."""
    compare: Literal["spearman", "pearson", "kendall"] = "spearman"
    """"spearman", "pearson" or "kendall" (tau-b, slow: for small n)."""
    unit_rows: bool = False
    """Divide every row by its norm first, which only "euclidean" can tell."""

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedRsa | PreparedKendall:
        """Both triangles of distances, ranked or centred."""
        pair = paired(x, y, unit_rows=self.unit_rows)
        pairs = pair.n * (pair.n - 1) // 2
        options = {"rdm": self.rdm, "compare": self.compare, "unit_rows": self.unit_rows}
        details = {**options, "row_pairs": pairs}
        sides = zip(pair, "xy", strict=True)
        a, b = in_parallel(self._side, sides) if pairs <= BUCKET else map(self._side, sides)
        if self.compare == "kendall":
            return PreparedKendall(a, square(b, pair.n), details)
        return PreparedRsa(a, square(b, pair.n), _norm(a) * _norm(b), details)

    def _side(self, side: tuple[Float[np.ndarray, "n d"], str]) -> Shaped[np.ndarray, " pairs"]:
        """The triangle of one side, ranked or centred."""
        rows, name = side
        triangle = condensed(rows, self.rdm, name)
        tie = rounding_of(triangle)
        if np.ptp(triangle) <= tie:
            raise InputError(
                f"all rows of {name} are equally far apart (rdm={self.rdm!r}), so there is nothing to "
                f"compare: use more rows or another rdm"
            )
        return _centred_values(triangle) if self.compare == "pearson" else centred_ranks(triangle, tie=tie)

    def from_products(self) -> FromProducts | None:
        """Correlation of distances made of products; Kendall's tau is left to `prepare`."""
        if self.compare == "kendall":
            return None
        kind, unit = KINDS.index(self.rdm), self.unit_rows
        if self.compare == "spearman":
            return lambda x, y: _spearman_of_lists(x, y, kind, unit)
        return lambda x, y: _pearson_of_lists(*x.arrays, *y.arrays, *x.places, kind, unit)


rsa = Rsa.function


def _spearman_of_lists(
    x: ListProducts, y: ListProducts, kind: int, unit_rows: bool
) -> Float[np.ndarray, " k"]:
    """Rank correlation of the distances within both sides, for each list.

    Distances are sorted as `ranks.centred_ranks` does: packed with their places into whole numbers, which
    numpy sorts faster than a compiled loop could.
    """
    sizes = np.diff(x.offsets)
    places = np.concatenate([[0], np.cumsum(sizes * (sizes - 1) // 2)])
    keys_a, ties_a = _sorted_keys(x, places, kind, unit_rows)
    keys_b, ties_b = _sorted_keys(y, places, kind, unit_rows)
    return _correlations_of_keys(keys_a, ties_a, keys_b, ties_b, places)


def _sorted_keys(
    side: ListProducts, places: Int[np.ndarray, " k"], kind: int, unit_rows: bool
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " lists"]]:
    keys, ties = _keys_of_lists(*side.arrays, *side.places, places, kind, unit_rows)
    for first, last in pairwise(places.tolist()):
        keys[first:last].sort()
    return keys, ties


@numba.njit(nogil=True, cache=True)
def _keys_of_lists(cosines, norms, means, width, offsets, squares, places, kind, unit_rows):  # noqa: PLR0917
    """Keys of each list's distances, to be sorted; and the steps within which neighbours tie, or -1."""
    keys = np.empty(places[-1], dtype=np.int64)
    ties = np.full(len(offsets) - 1, -1, dtype=np.int64)
    for k in range(len(ties)):
        m = places[k + 1] - places[k]
        u = _distances_of_list(cosines, norms, means, width, offsets, squares, k, kind, unit_rows)
        largest = _largest(u) if len(u) > 1 else 0.0
        if largest > 0:
            own, step = packed(u, _bits(m - 1))
            keys[places[k] : places[k + 1]] = own
            ties[k] = np.int64(TIE * largest / step)
        else:
            keys[places[k] : places[k + 1]] = 0
    return keys, ties


@numba.njit(nogil=True, cache=True)
def _correlations_of_keys(keys_a, ties_a, keys_b, ties_b, places):
    """Correlation of the ranks of both sides, for each list; NaN where a side has none."""
    out = np.full(len(ties_a), np.nan)
    for k in range(len(out)):
        m = places[k + 1] - places[k]
        if ties_a[k] < 0 or ties_b[k] < 0:
            continue
        a, b = np.empty(m, dtype=np.int32), np.empty(m, dtype=np.int32)
        fill_from_order(keys_a[places[k] : places[k + 1]], _bits(m - 1), ties_a[k], -m - 1, a)
        fill_from_order(keys_b[places[k] : places[k + 1]], _bits(m - 1), ties_b[k], -m - 1, b)
        out[k] = _whole_pearson(a, b, 2**EXACT_BITS // m**2)
    return out


@numba.njit(nogil=True, cache=True)
def _pearson_of_lists(  # noqa: PLR0917
    cosines_a, norms_a, means_a, width_a, cosines_b, norms_b, means_b, width_b,
    offsets, squares, kind, unit_rows,
):  # fmt: skip
    """Correlation of the distances themselves, for each list."""
    out = np.full(len(offsets) - 1, np.nan)
    for k in range(len(out)):
        u = _distances_of_list(cosines_a, norms_a, means_a, width_a, offsets, squares, k, kind, unit_rows)
        v = _distances_of_list(cosines_b, norms_b, means_b, width_b, offsets, squares, k, kind, unit_rows)
        if len(u) > 1 and len(v) > 1 and _largest(u) > 0 and _largest(v) > 0:
            out[k] = _pearson(u, v)
    return out


@numba.njit(nogil=True, cache=True)
def _distances_of_list(cosines, norms, means, width, offsets, squares, k, kind, unit_rows):  # noqa: PLR0917
    """The distances of one list; none where a row has no direction, or there are fewer than three."""
    own, n = norms[offsets[k] : offsets[k + 1]], offsets[k + 1] - offsets[k]
    if n < 3 or ((kind != EUCLIDEAN or unit_rows) and own.min() == 0):
        return np.empty(0)
    if unit_rows:
        own = np.ones(n)
    square = cosines[squares[k] : squares[k + 1]].reshape(n, n)
    return _distances(square, own, means[offsets[k] : offsets[k + 1]], width, kind)


@numba.njit(nogil=True, cache=True)
def _bits(number):
    """The binary digits of a whole number, at least 1."""
    bits = 1
    while number >> bits:
        bits += 1
    return bits


@numba.njit(nogil=True, cache=True)
def _distances(cosines, norms, means, width, kind):
    """Condensed distances between rows, from their cosines, norms and means at unit norm.

    Cosines are divided by the roots of their diagonal, so that equal rows are at distance 0.
    """
    n = len(cosines)
    out, scale, moved = np.empty(n * (n - 1) // 2), np.empty(n), np.zeros(n)
    for i in range(n):
        if kind == CORRELATION:
            moved[i] = np.sqrt(width) * means[i]
        left = cosines[i, i] - moved[i] * moved[i]
        scale[i] = 1 / np.sqrt(left) if left > FLAT else (0.0 if kind == EUCLIDEAN else np.nan)
    start = 0
    for i in range(n - 1):
        row, to = cosines[i, i + 1 :], out[start : start + n - 1 - i]
        start += n - 1 - i
        own_shift, own_scale, own = moved[i], scale[i], norms[i]
        if kind == EUCLIDEAN:
            for j in range(len(row)):
                other = norms[i + 1 + j]
                squares = own * own + other * other
                apart = squares - 2 * row[j] * (own_scale * scale[i + 1 + j]) * (own * other)
                to[j] = np.sqrt(apart) if apart > NEAR * squares else 0.0
        else:
            for j in range(len(row)):
                to[j] = 1 - (row[j] - own_shift * moved[i + 1 + j]) * (own_scale * scale[i + 1 + j])
    return out


@numba.njit(nogil=True, cache=True)
def _largest(values):
    """The largest distance; 0 where all are equal, or one is missing."""
    low, high = values[0], values[0]
    for k in range(len(values)):
        if not np.isfinite(values[k]):
            return 0.0
        low, high = min(low, values[k]), max(high, values[k])
    return high if high - low > EQUAL * high else 0.0


@numba.njit(nogil=True, cache=True)
def _whole_pearson(u, v, run):
    """Correlation of centred whole numbers, summed as such in runs."""
    uv, uu, vv = 0.0, 0.0, 0.0
    for first in range(0, len(u), run):
        x, y, z = np.int64(0), np.int64(0), np.int64(0)
        for k in range(first, min(first + run, len(u))):
            x += np.int64(u[k]) * np.int64(v[k])
            y += np.int64(u[k]) * np.int64(u[k])
            z += np.int64(v[k]) * np.int64(v[k])
        uv += x
        uu += y
        vv += z
    return min(max(uv / np.sqrt(uu * vv), -1.0), 1.0)


@numba.njit(nogil=True, cache=True)
def _pearson(u, v):
    """Pearson r, each sum in two interleaved parts."""
    m = len(u)
    whole = m // 2 * 2
    u0, u1, v0, v1 = 0.0, 0.0, 0.0, 0.0
    for k in range(0, whole, 2):
        u0, u1, v0, v1 = u0 + u[k], u1 + u[k + 1], v0 + v[k], v1 + v[k + 1]
    if whole < m:
        u0, v0 = u0 + u[whole], v0 + v[whole]
    mean_u, mean_v = (u0 + u1) / m, (v0 + v1) / m
    uv0, uv1, uu0, uu1, vv0, vv1 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(m):
        x, y = u[k] - mean_u, v[k] - mean_v
        if k % 2:
            uv1, uu1, vv1 = uv1 + x * y, uu1 + x * x, vv1 + y * y
        else:
            uv0, uu0, vv0 = uv0 + x * y, uu0 + x * x, vv0 + y * y
    return min(max((uv0 + uv1) / np.sqrt((uu0 + uu1) * (vv0 + vv1)), -1.0), 1.0)
