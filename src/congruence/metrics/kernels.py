"""Draws: permutations in, sums over them out, compiled and in parallel over draws.

No draw depends on which others stand beside it: a sum is taken in one written order, of whole numbers or
in eight interleaved parts, so that neither the number of threads nor the batch changes a digit.
"""

from collections.abc import Callable

import numba
import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.threads import available_threads, spread

EXACT_BITS = 62
"""Sums of whole numbers in 64 bits stay below 2 to the power of this."""
TOGETHER, TOGETHER_BYTES = 32, 1 << 20
"""Draws that share each row that is read, at most; and the bytes that their permutations take."""
UNFOLDED, UNFOLDED_BYTES = 128, 1 << 23
"""Rows of a symmetric matrix that are written out at a time, at most; and the bytes that they take."""


def as_permutations(permutations: ArrayLike, n: int) -> Int[np.ndarray, "m n"]:
    """Draws as the kernels take them: they don't check bounds themselves.

    Raises:
        InputError: not rows of n numbers from 0 to n − 1.
    """
    array = np.ascontiguousarray(permutations, dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != n or array.min(initial=0) < 0 or array.max(initial=0) >= n:
        raise InputError(
            f"permutations has shape {array.shape}: pass (draws, {n}) row numbers from 0 to {n - 1}"
        )
    return array


def over_draws(
    score: Callable[[Int[np.ndarray, "b n"]], Float[np.ndarray, " b"]], permutations: ArrayLike, n: int
) -> Float[np.ndarray, " m"]:
    """`score` applied to slices of the draws of n rows, one slice a core.

    `score` gives every draw a value that doesn't depend on the others of its slice. The kernels release the
    interpreter lock, so threads do.
    """
    permutations = as_permutations(permutations, n)
    slices = min(available_threads(), len(permutations))
    if slices <= 1:
        return score(permutations)
    return np.concatenate(spread(score, np.array_split(permutations, slices), slices))


def dot_draws(
    u: Float[np.ndarray, " n"], v: Float[np.ndarray, " n"], permutations: ArrayLike
) -> Float[np.ndarray, " m"]:
    """Σ_i u[i] v[p[i]] for every draw p."""
    return over_draws(lambda block: _dot_draws(u, v, block), permutations, len(u))


def lookup_draws(table: Shaped[np.ndarray, "n n"], permutations: ArrayLike) -> Float[np.ndarray, " m"]:
    """Σ_i table[i, p[i]] for every draw p."""
    return over_draws(lambda block: _lookup_draws(table, block), permutations, len(table))


def triangle_draws(
    triangle: Shaped[np.ndarray, " pairs"],
    square: Shaped[np.ndarray, "n n"],
    permutations: ArrayLike,
) -> Float[np.ndarray, " m"]:
    """Σ_{i<j} triangle[i, j] square[p[i], p[j]] for every draw p; `triangle` is condensed row by row."""
    return over_draws(lambda block: _triangle_draws(triangle, square, block), permutations, len(square))


def whole_triangle_draws(
    triangle: Int[np.ndarray, " pairs"],
    other: Int[np.ndarray, " pairs"] | Int[np.ndarray, "n n"],
    permutations: ArrayLike,
    n: int,
) -> Float[np.ndarray, " m"]:
    """The same of whole numbers: exact and rounded once, so no order of sums shows.

    `other` may be condensed as well: its rows are then written out some at a time, for some draws at a time.
    """
    run, narrow = exact_run(triangle, other), np.uint16 if n <= 1 << 16 else np.uint32
    together = int(np.clip(TOGETHER_BYTES // (n * np.dtype(narrow).itemsize), 1, TOGETHER))
    at_a_time = int(np.clip(UNFOLDED_BYTES // (n * other.itemsize), 1, min(UNFOLDED, n - 1)))

    def score(block: Int[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
        rows = np.empty((at_a_time, n), other.dtype) if other.ndim == 1 else other
        parts = [block[first : first + together] for first in range(0, len(block), together)]
        sums = [_whole_draws(triangle, other.reshape(-1), rows, part.astype(narrow), run) for part in parts]
        return np.array([float((h << 32) + low) for some in sums for h, low in some.tolist()])

    return over_draws(score, permutations, n)


def exact_run(*values: Int[np.ndarray, "..."]) -> int:
    """How many products of the largest of some whole numbers fit into a sum of 64 bits."""
    largest = max(max(int(part.max(initial=0)), -int(part.min(initial=0)), 1) for part in values)
    return 2**EXACT_BITS // largest**2


@numba.njit(nogil=True, cache=True)
def _dot_draws(u, v, permutations):
    out = np.empty(len(permutations))
    whole = len(u) // 4 * 4
    for d in range(len(permutations)):
        order = permutations[d]
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        for i in range(0, whole, 4):
            s0 += u[i] * v[order[i]]
            s1 += u[i + 1] * v[order[i + 1]]
            s2 += u[i + 2] * v[order[i + 2]]
            s3 += u[i + 3] * v[order[i + 3]]
        for i in range(whole, len(u)):
            s0 += u[i] * v[order[i]]
        out[d] = (s0 + s1) + (s2 + s3)
    return out


@numba.njit(nogil=True, cache=True)
def _lookup_draws(table, permutations):
    out = np.empty(len(permutations))
    for d in range(len(permutations)):
        total = 0.0
        for i in range(len(table)):
            total += table[i, permutations[d, i]]
        out[d] = total
    return out


@numba.njit(nogil=True, cache=True)
def _whole_draws(triangle, other, rows, partners, run):
    """(draws, 2) sums of whole numbers in 64 bits: what is above 2³², and what is left.

    Rows of the other side come one after another and serve all draws while they are in the nearest cache.
    `rows` are all of them, or room for some, which are unfolded from its triangle `other`.
    """
    n = partners.shape[1]
    sums = np.zeros((len(partners), 2), dtype=np.int64)
    places = np.empty((len(partners), n), dtype=np.int64)
    for d in range(len(partners)):
        for i in range(n):
            places[d, partners[d, i]] = i
    for r in range(n):
        if len(rows) < n and r % len(rows) == 0:
            _unfold(other, r, rows[: min(len(rows), n - r)])
        row = rows[r % len(rows)]
        for d in range(len(partners)):
            i = places[d, r]
            start, width = i * (2 * n - i - 1) // 2, n - i - 1
            weights, others = triangle[start : start + width], partners[d, i + 1 :]
            for first in range(0, width, run):
                w, p = weights[first : first + run], others[first : first + run]
                part = np.int64(0)
                for j in range(len(w)):
                    part += np.int64(w[j]) * np.int64(row[p[j]])
                sums[d, 0] += part >> 32
                sums[d, 1] += part & 0xFFFFFFFF
    return sums


@numba.njit(nogil=True, cache=True)
def _unfold(triangle, first, rows):
    """Some rows of the symmetric matrix of a condensed triangle, from row `first` on; 0 on its diagonal."""
    count, n = rows.shape
    for i in range(first):
        start = i * (2 * n - i - 1) // 2 + first - i - 1
        part = triangle[start : start + count]
        for r in range(count):
            rows[r, i] = part[r]
    for r in range(count):
        i = first + r
        start = i * (2 * n - i - 1) // 2
        rows[r, i] = 0
        rows[r, i + 1 :] = triangle[start : start + n - i - 1]
        for below in range(r + 1, count):
            rows[below, i] = rows[r, first + below]


@numba.njit(nogil=True, cache=True)
def _triangle_draws(triangle, square, permutations):
    n = len(square)
    out = np.empty(len(permutations))
    for d in range(len(permutations)):
        order = permutations[d]
        total, start = 0.0, 0
        for i in range(n - 1):
            row = square[order[i]]
            width = n - i - 1
            weights = triangle[start : start + width]
            partners = order[i + 1 :]
            whole = width // 4 * 4
            s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
            for j in range(0, whole, 4):
                s0 += np.float64(weights[j]) * np.float64(row[partners[j]])
                s1 += np.float64(weights[j + 1]) * np.float64(row[partners[j + 1]])
                s2 += np.float64(weights[j + 2]) * np.float64(row[partners[j + 2]])
                s3 += np.float64(weights[j + 3]) * np.float64(row[partners[j + 3]])
            for j in range(whole, width):
                s0 += np.float64(weights[j]) * np.float64(row[partners[j]])
            total += (s0 + s1) + (s2 + s3)
            start += width
        out[d] = total
    return out
