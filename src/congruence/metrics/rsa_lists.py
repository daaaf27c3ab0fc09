"""RSA of many lists of pairs at once, from the products of rows within each layer."""

import numba
import numpy as np
from jaxtyping import Float

from congruence.metrics.kernels import EXACT_BITS
from congruence.metrics.lists import FLAT, ListProducts
from congruence.metrics.ranks import fill_from_order, pack_into, sort_packed
from congruence.metrics.rdm import TIE

CORRELATION, COSINE, EUCLIDEAN = range(3)
KINDS = {"correlation": CORRELATION, "cosine": COSINE, "euclidean": EUCLIDEAN}
EQUAL = 1e-8
"""Distances of a list that differ by less, relative to the largest, leave nothing to compare."""
NEAR = 2e-8
"""Squared Euclidean distances of a list below this share of the squared norms are only rounding."""


def spearman_of_lists(
    x: ListProducts, y: ListProducts, kind: int, unit_rows: bool
) -> Float[np.ndarray, " k"]:
    """Rank correlation of the distances within both sides, for each list.

    Ranks are those of `ranks.centred_ranks`: distances packed with their places into whole numbers, sorted.
    """
    return _spearman_of_lists(*x.arrays, *y.arrays, *x.places, kind, unit_rows)


@numba.njit(nogil=True, cache=True)
def _spearman_of_lists(  # noqa: PLR0917
    cosines_a, norms_a, means_a, width_a, cosines_b, norms_b, means_b, width_b,
    offsets, squares, kind, unit_rows,
):  # fmt: skip
    """Rank correlation of the distances, for each list; NaN where a side has no ranks."""
    out = np.full(len(offsets) - 1, np.nan)
    most = 0
    for k in range(len(out)):
        most = max(most, offsets[k + 1] - offsets[k])
    room = most * (most - 1) // 2
    keys, spare = np.empty(room, np.int64), np.empty(room, np.int64)
    ranks_a, ranks_b = np.empty(room, np.int32), np.empty(room, np.int32)
    for k in range(len(out)):
        u = _distances_of_list(cosines_a, norms_a, means_a, width_a, offsets, squares, k, kind, unit_rows)
        if not _into_ranks(u, keys, spare, ranks_a):
            continue
        v = _distances_of_list(cosines_b, norms_b, means_b, width_b, offsets, squares, k, kind, unit_rows)
        if _into_ranks(v, keys, spare, ranks_b):
            m = len(u)
            out[k] = _whole_pearson(ranks_a[:m], ranks_b[:m], 2**EXACT_BITS // m**2)
    return out


@numba.njit(nogil=True, cache=True)
def _into_ranks(distances, keys, spare, ranks):
    """Write the centred ranks of one list's distances; false where there is nothing to rank."""
    m = len(distances)
    largest = _largest(distances) if m > 1 else 0.0
    if largest <= 0:
        return False
    digits = _bits(m - 1)
    step = pack_into(distances, digits, keys)
    sort_packed(keys[:m], spare[:m])
    fill_from_order(spare[:m], digits, np.int64(TIE * largest / step), -m - 1, ranks)
    return True


def pearson_of_lists(x: ListProducts, y: ListProducts, kind: int, unit_rows: bool) -> Float[np.ndarray, " k"]:
    """Correlation of the distances themselves, for each list."""
    return _pearson_of_lists(*x.arrays, *y.arrays, *x.places, kind, unit_rows)


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
