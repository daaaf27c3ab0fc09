"""Random re-pairings that depend on a seed and the number of the draw, and on nothing else.

Draw d of one seed is one random permutation of all whole numbers, cut down to the first n: cells of equal
size get the same permutation, and a larger cell's differs from a smaller one's only by the rows put in.
So draws are synchronised over a grid, wherever and in whatever order its cells are computed.
"""

from functools import lru_cache
from typing import Any

import numba
import numpy as np
from jaxtyping import Int

from congruence.errors import InputError, quoted
from congruence.rng import derive_seeds

_MOST = 2**40
"""Numbers that one call may give: 8 TiB."""


def seed_of(rng: Any) -> int:
    """The integer that draws derive from: `rng` itself, or one number drawn from a generator.

    Raises:
        InputError: `rng` is neither a whole number of at least 0 nor a numpy Generator.
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0:
        return int(rng)
    raise InputError(
        f"rng={quoted(rng)}: pass a seed (a whole number from 0) or numpy.random.default_rng(seed)"
    )


def permutations_for(seed: int, draws: int | range, n: int) -> Int[np.ndarray, "m n"]:
    """The re-pairings of n rows for draws 0 … draws−1, or those of a range of draws.

    Inside-out shuffles driven by a SplitMix64 stream for each draw (Steele, Lea and Flood 2014).

    Args:
        seed: what all draws derive from.
        draws: how many, or which.
        n: rows to permute.

    Returns:
        (draws, n) int64; each row is a permutation of 0 … n−1.

    >>> small, large = permutations_for(0, 2, 5), permutations_for(0, 2, 6)
    >>> small.shape, large.shape
    ((2, 5), (2, 6))
    >>> bool((permutations_for(0, range(1, 2), 5)[0] == small[1]).all())
    True
    """
    numbers = draws if isinstance(draws, range) else range(draws)
    if not 0 <= n * len(numbers[: _MOST + 1]) <= _MOST:
        raise InputError(f"draws={quoted(draws)} of n={quoted(n)} rows: ask for fewer at a time")
    return _shuffles(_keys(seed, numbers), n)


@lru_cache(maxsize=64)
def _keys(seed: int, numbers: range) -> Int[np.ndarray, " m"]:
    """The key of each draw; tests of one grid share them."""
    return derive_seeds(seed, "draw", numbers=numbers)


def check_draws(draws: Any) -> int:
    """`draws` as an int of at least 1."""
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or draws < 1:
        raise InputError(f"draws={quoted(draws)}: use a whole number of at least 1, such as 1000")
    return int(draws)


def subsets_for(
    seed: int, numbers: Int[np.ndarray, " m"], pool: Int[np.ndarray, " e"], size: int
) -> Int[np.ndarray, "m s"]:
    """Random subsets of a pool, every one equally likely; draw d depends on the seed and d alone.

    The first `size` places of a Fisher-Yates shuffle of the pool, driven as `permutations_for` is.

    Args:
        seed: what all draws derive from.
        numbers: which draws.
        pool: what is drawn from.
        size: entries of a subset, at most as many as the pool has.

    >>> subsets_for(0, np.array([3, 4]), np.arange(9), 4).shape
    (2, 4)
    """
    keys = _keys(seed, range(int(numbers.max(initial=-1)) + 1))[numbers]
    return _partial_shuffles(keys, np.array(pool, dtype=np.int64), min(size, len(pool)))


@numba.njit(nogil=True, cache=True)
def _partial_shuffles(keys, pool, size):
    out = np.empty((len(keys), size), dtype=np.int64)
    swapped = np.empty(size, dtype=np.int64)
    for d in range(len(keys)):
        state = keys[d]
        for i in range(size):
            state, share = _uniform(state)
            other = i + int(share * (len(pool) - i))
            pool[i], pool[other] = pool[other], pool[i]
            swapped[i] = other
            out[d, i] = pool[i]
        for i in range(size - 1, -1, -1):  # the pool as it was, for the next draw
            pool[i], pool[swapped[i]] = pool[swapped[i]], pool[i]
    return out


@numba.njit(nogil=True, cache=True, inline="always")
def _uniform(state):
    """The next state of a SplitMix64 stream, and its number in [0, 1)."""
    state += np.uint64(0x9E3779B97F4A7C15)
    bits = state
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return state, np.float64(bits >> np.uint64(11)) * 2.0**-53


@numba.njit(nogil=True, cache=True)
def _shuffles(keys, n):
    out = np.empty((len(keys), n), dtype=np.int64)
    for d in range(len(keys)):
        state = keys[d]
        row = out[d]
        for i in range(n):
            state, share = _uniform(state)
            j = int(share * (i + 1))
            row[i] = row[j]
            row[j] = i
    return out
