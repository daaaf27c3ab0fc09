"""Exact ranks of very many values, written over the values themselves."""

from functools import partial

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.metrics.blas import in_parallel
from congruence.threads import available_threads

BUCKET = 1 << 23
"""Values that are sorted at a time."""
SAMPLE = 200_000
SORTERS = 2
"""Most threads that sort: each holds 16 bytes for every value of its bucket."""
_MARK = -(2.0**40)
"""Ranks that wait among values not yet ranked are told by this: no value may be below half of it."""


def centred_ranks(values: Float[np.ndarray, " m"], *, tie: float = 0.0) -> Int[np.ndarray, " m"]:
    """Twice the average rank of each value, minus its mean: whole numbers of four bytes.

    Values tie where no gap between neighbours in the order is above `tie`: a gap decides, not a rounded
    value, so that two values which are equal but for rounding tie wherever they lie.

    The ranks take the place of the values, whose array is used up: beside it there are 16 bytes for each of
    the eight million values that every thread sorts at a time, in buckets cut at quantiles of a sample. (A
    bucket is larger where ties leave no place to cut.)

    Args:
        values: (m,) numbers from −2³⁹ on, fewer than 2³⁰ of them; contiguous.
        tie: largest gap between neighbours that is only rounding; a gap of 1e-12 of the range can be told,
            in lists of some thousand values one of 1e-15.

    Returns:
        (m,) int32, the first half of the memory of `values`.

    >>> centred_ranks(np.array([0.3, 0.1, 0.3, 0.2])).tolist()
    [2, -3, 2, -1]
    """
    m, ranks = len(values), values.view(np.int32)[: len(values)]
    if m <= BUCKET:
        if m:
            place_bits = max(m - 1, 1).bit_length()
            keys, unit = packed(values, place_bits)
            keys.sort()
            fill_from_order(keys, place_bits, _steps(tie, unit), -m - 1, ranks)
        return ranks
    lows, highs, counts = _buckets(values, tie)
    below = np.cumsum(counts) - counts
    buckets = zip(lows, highs, counts, below, strict=True)
    in_parallel(partial(_rank_bucket, values, tie), buckets, most=SORTERS)
    _take_marks_off(values, ranks)
    return ranks


def _buckets(values: Float[np.ndarray, " m"], tie: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least and greatest value of each bucket, and how many it has; no tie goes across two."""
    step = max(1, len(values) // SAMPLE)
    shares = np.linspace(0, 1, len(values) // BUCKET + 2)[1:-1]
    edges = np.unique(np.quantile(values[::step], shares))
    found = in_parallel(lambda part: _survey(part, edges), np.array_split(values, available_threads()))
    lows, highs = np.min([f[0] for f in found], axis=0), np.max([f[1] for f in found], axis=0)
    counts = np.sum([f[2] for f in found], axis=0)
    full = counts > 0
    lows, highs, counts = lows[full], highs[full], counts[full]
    first = np.flatnonzero(np.concatenate([[True], lows[1:] - highs[:-1] > tie]))
    last = np.append(first[1:], len(lows)) - 1
    return lows[first], highs[last], np.add.reduceat(counts, first)


def _rank_bucket(values: Float[np.ndarray, " m"], tie: float, bucket: tuple[float, float, int, int]) -> None:
    """Put marked ranks in the place of one bucket's values."""
    low, high, count, below = bucket
    places = np.empty(count, np.uint32)
    place_bits = max(int(count) - 1, 1).bit_length()
    keys, unit = _packed_bucket(values, low, high, place_bits, places)
    keys.sort()
    ranks = np.empty(count, np.int32)
    fill_from_order(keys, place_bits, _steps(tie, unit), 2 * below - (len(values) + 1), ranks)
    _put_marks(ranks, places, values)


def _steps(tie: float, unit: float) -> int:
    return int(tie / unit) if unit else 0


@numba.njit(nogil=True, cache=True)
def _survey(values, edges):
    """The least, the greatest and the number of the values between each two edges."""
    lows, highs = np.full(len(edges) + 1, np.inf), np.full(len(edges) + 1, -np.inf)
    counts = np.zeros(len(edges) + 1, np.int64)
    for k in range(len(values)):
        value = values[k]
        bucket = np.searchsorted(edges, value, side="right")
        lows[bucket], highs[bucket] = min(lows[bucket], value), max(highs[bucket], value)
        counts[bucket] += 1
    return lows, highs, counts


@numba.njit(nogil=True, cache=True)
def packed(values, place_bits):
    """Values as whole steps of their range, each with its place in the low bits; and the size of a step.

    39 to 62 bits are left for the value. A plain sort, which numpy vectorises, then is all there is to order.
    """
    low, high = values[0], values[0]
    for k in range(len(values)):
        low, high = min(low, values[k]), max(high, values[k])
    unit = (high - low) / 2.0 ** (62 - place_bits)
    scale = 1 / unit if unit > 0 else 0.0
    keys = np.empty(len(values), dtype=np.int64)
    for k in range(len(values)):
        keys[k] = (np.int64((values[k] - low) * scale + 0.5) << place_bits) + k
    return keys, unit


@numba.njit(nogil=True, cache=True)
def _packed_bucket(values, low, high, place_bits, places):
    """The same of the values from `low` to `high` alone; their places are written down."""
    unit = (high - low) / 2.0 ** (62 - place_bits)
    scale = 1 / unit if unit > 0 else 0.0
    keys = np.empty(len(places), dtype=np.int64)
    found = 0
    for k in range(len(values)):
        value = values[k]
        if low <= value <= high:
            places[found] = k
            keys[found] = (np.int64((value - low) * scale + 0.5) << place_bits) + found
            found += 1
    return keys, unit


@numba.njit(nogil=True, cache=True)
def fill_from_order(keys, place_bits, tie, offset, ranks):
    """Ranks from sorted keys; neighbours no more than `tie` steps apart share the average of theirs."""
    m, mask = len(keys), (np.int64(1) << place_bits) - 1
    first, before = 0, keys[0] >> place_bits
    for k in range(1, m + 1):
        here = keys[k] >> place_bits if k < m else before
        if k == m or here - before > tie:
            for j in range(first, k):
                ranks[keys[j] & mask] = first + k + 1 + offset
            first = k
        before = here


@numba.njit(nogil=True, cache=True)
def _put_marks(ranks, places, values):
    """Marked ranks in the places of the values they are of."""
    for k in range(len(ranks)):
        values[places[k]] = _MARK + ranks[k]


@numba.njit(nogil=True, cache=True)
def _take_marks_off(values, ranks):
    """Marked ranks as whole numbers, in the first half of their own memory."""
    for k in range(len(values)):
        ranks[k] = np.int32(values[k] - _MARK)
