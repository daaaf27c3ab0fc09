"""The inner loops of a draw: gathers and dot products, compiled, in parallel over draws."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import numba
import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.threads import available_threads


def one_blas_thread() -> AbstractContextManager:
    """Keep BLAS to one thread while draws themselves run in parallel; small products don't share well."""
    try:
        return _controller().limit(limits=1, user_api="blas")
    except ImportError:
        return nullcontext()


@cache
def _controller():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


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

    The kernels release the interpreter lock, so threads do.
    """
    permutations = as_permutations(permutations, n)
    slices = min(available_threads(), len(permutations))
    if slices <= 1:
        return score(permutations)
    with ThreadPoolExecutor(slices) as pool:
        return np.concatenate(list(pool.map(score, np.array_split(permutations, slices))))


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


def induced(permutations: Int[np.ndarray, "m n"], members: Int[np.ndarray, " h"]) -> Int[np.ndarray, "m h"]:
    """Each permutation cut down to `members`: follow it from a member until it is back among them.

    Uniform if the permutation is, equal to it wherever it stays inside, and made without sorting.
    """
    position = np.full(permutations.shape[1], -1, dtype=np.int64)
    position[members] = np.arange(len(members))
    return _induced(permutations, members.astype(np.int64), position)


@numba.njit(nogil=True, fastmath=True, cache=True)
def _dot_draws(u, v, permutations):
    out = np.empty(len(permutations))
    for d in range(len(permutations)):
        total = 0.0
        for i in range(len(u)):
            total += u[i] * v[permutations[d, i]]
        out[d] = total
    return out


@numba.njit(nogil=True, fastmath=True, cache=True)
def _lookup_draws(table, permutations):
    out = np.empty(len(permutations))
    for d in range(len(permutations)):
        total = 0.0
        for i in range(len(table)):
            total += table[i, permutations[d, i]]
        out[d] = total
    return out


@numba.njit(nogil=True, fastmath=True, cache=True)
def _triangle_draws(triangle, square, permutations):
    n = len(square)
    out = np.empty(len(permutations))
    for d in range(len(permutations)):
        order = permutations[d]
        total = 0.0
        start = 0
        for i in range(n):
            row = square[order[i]]
            width = n - i - 1
            weights = triangle[start : start + width]
            partners = order[i + 1 :]
            part = 0.0
            for j in range(width):
                part += np.float64(weights[j]) * np.float64(row[partners[j]])
            total += part
            start += width
        out[d] = total
    return out


@numba.njit(nogil=True, cache=True)
def _induced(permutations, members, position):
    out = np.empty((len(permutations), len(members)), dtype=np.int64)
    for d in range(len(permutations)):
        for k in range(len(members)):
            i = permutations[d, members[k]]
            while position[i] < 0:
                i = permutations[d, i]
            out[d, k] = position[i]
    return out


@numba.njit(nogil=True, fastmath=True, cache=True)
def cosine_draws(x, y, permutations):
    """Σ_i x[i]·y[p[i]] for every draw p of a block."""
    out = np.empty(len(permutations))
    for d in range(len(permutations)):
        total = 0.0
        for i in range(len(x)):
            partner = y[permutations[d, i]]
            row = x[i]
            part = 0.0
            for c in range(x.shape[1]):
                part += row[c] * partner[c]
            total += part
        out[d] = total
    return out


@numba.njit(nogil=True, cache=True)
def shared_neighbours(near_a, near_b, share, permutations):
    """Mean over rows of share[how many neighbours are the same], for every draw of a block."""
    n, k = near_a.shape
    out = np.empty(len(permutations))
    mark = np.full(n, -1, dtype=np.int64)
    for d in range(len(permutations)):
        order = permutations[d]
        total = 0.0
        mark[:] = -1
        for i in range(n):
            for j in range(k):
                mark[near_b[order[i], j]] = i
            common = 0
            for j in range(k):
                if mark[order[near_a[i, j]]] == i:
                    common += 1
            total += share[common]
        out[d] = total / n
    return out
