"""Exact ranks: of some values at once, and of very many that are held in six bytes each."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.metrics.blas import in_parallel
from congruence.threads import available_threads

BUCKET = 1 << 23
"""Values that are sorted at once; of more, half as many at a time."""
SAMPLE = 200_000
SORTERS = 2
"""Most threads that sort: each holds 16 bytes for every value of its bucket."""
CROWDED = 24
"""Values of one bucket that are still put in order one by one."""
_LOW = 15
"""Binary digits of a packed value that stand in its last two bytes, whose highest one marks a rank."""
_STEPS = (1 << (32 + _LOW)) - 1


def centred_ranks(values: Float[np.ndarray, " m"], *, tie: float = 0.0) -> Int[np.ndarray, " m"]:
    """Twice the average rank of each value, minus its mean: whole numbers of four bytes.

    Values tie where no gap between neighbours in the order is above `tie`: a gap decides, not a rounded
    value, so that two values which are equal but for rounding tie wherever they lie.

    The ranks take the place of the values, whose array is used up: beside it there are 8 bytes a value.

    Args:
        values: (m,) numbers, contiguous; of more than some millions see :class:`PackedValues`.
        tie: largest gap between neighbours that is only rounding; a gap of 1e-12 of the range can be told,
            in lists of some thousand values one of 1e-15.

    Returns:
        (m,) int32, the first half of the memory of `values`.

    >>> centred_ranks(np.array([0.3, 0.1, 0.3, 0.2])).tolist()
    [2, -3, 2, -1]
    """
    m, ranks = len(values), values.view(np.int32)[: len(values)]
    if m:
        place_bits = max(m - 1, 1).bit_length()
        keys, unit = packed(values, place_bits)
        keys.sort()
        fill_from_order(keys, place_bits, int(tie / unit) if unit else 0, -m - 1, ranks)
    return ranks


class PackedValues:
    """Very many values of a known range in six bytes each, which become their ranks in four.

    Beside them there are 16 bytes for each of the four million values that every thread sorts at a time, in
    buckets cut at quantiles of a sample. (A bucket is larger where ties leave no place to cut.)

    Args:
        count: how many, fewer than 2³⁰.
        low: what none is below, but for rounding.
        span: what none is above `low` by more than; values are told apart that differ by span / 2⁴⁷.
    """

    def __init__(self, count: int, low: float, span: float) -> None:
        self.low, self.scale = low, _STEPS / span
        self._first, self._last = np.empty(count, np.uint32), np.empty(count, np.uint16)

    def __len__(self) -> int:
        return len(self._first)

    def put(self, start: int, values: Float[np.ndarray, " k"]) -> tuple[float, float]:
        """Hold some values from place `start` on; the least and the greatest of them."""
        part = slice(start, start + len(values))
        return _pack(values, self.low, self.scale, self._first[part], self._last[part])

    def centred_ranks(self, *, tie: float = 0.0) -> Int[np.ndarray, " m"]:
        """As the function of that name; the ranks take the place of the values, which are gone."""
        own = self._first, self._last
        steps = int(tie * self.scale)
        lows, highs, counts = self._buckets(steps)
        buckets = list(zip(lows, highs, counts, np.cumsum(counts) - counts, strict=True))
        for first in range(0, len(buckets), SORTERS):
            _rank_buckets(*own, steps, buckets[first : first + SORTERS])
        self._last = np.empty(0, np.uint16)
        return self._first.view(np.int32)

    def _buckets(self, tie: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Least and greatest value of each bucket in steps, and how many it has; no tie goes across two."""
        m = len(self)
        some = slice(None, None, max(1, m // SAMPLE))
        sample = np.sort((self._first[some].astype(np.int64) << _LOW) + self._last[some])
        pieces = 2 * m // BUCKET + 1
        edges = np.unique(sample[np.arange(1, pieces) * len(sample) // pieces])
        cuts = np.linspace(0, m, available_threads() + 1).astype(int)
        parts = [slice(a, b) for a, b in pairwise(cuts)]
        found = in_parallel(lambda part: _survey(self._first[part], self._last[part], edges), parts)
        lows, highs = np.min([f[0] for f in found], axis=0), np.max([f[1] for f in found], axis=0)
        counts = np.sum([f[2] for f in found], axis=0)
        full = counts > 0
        lows, highs, counts = lows[full], highs[full], counts[full]
        first = np.flatnonzero(np.concatenate([[True], lows[1:] - highs[:-1] > tie]))
        last = np.append(first[1:], len(lows)) - 1
        return lows[first], highs[last], np.add.reduceat(counts, first)


def _rank_buckets(
    first: Int[np.ndarray, " m"],
    last: Int[np.ndarray, " m"],
    tie: int,
    buckets: Sequence[tuple[int, int, int, int]],
) -> None:
    """Put the ranks of some buckets in the places of their values: all are read before any is written."""
    for ranks, places in in_parallel(partial(_of_bucket, first, last, tie), buckets):
        _put_ranks(ranks, places, first, last)


def _of_bucket(
    first: Int[np.ndarray, " m"], last: Int[np.ndarray, " m"], tie: int, bucket: tuple[int, int, int, int]
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Ranks of one bucket's values, and their places; in one piece of memory, which the system gets back."""
    low, high, count, below = map(int, bucket)
    room = np.empty(2 * count, np.int64)
    keys, rest = room[:count], room[count:]
    places, ranks = rest.view(np.uint32)[:count], rest.view(np.int32)[count:]
    place_bits = max(count - 1, 1).bit_length()
    shift = max((high - low).bit_length() + place_bits - 63, 0)
    _fill_keys(first, last, low, high, shift, place_bits, keys, places)
    keys.sort()
    fill_from_order(keys, place_bits, tie >> shift, 2 * below - (len(first) + 1), ranks)
    return ranks, places


@numba.njit(nogil=True, cache=True)
def _pack(values, low, scale, first, last):
    """Values in whole steps above `low`, 47 binary digits each; the least and the greatest value."""
    least, greatest = np.inf, -np.inf
    for k in range(len(values)):
        value = values[k]
        least, greatest = min(least, value), max(greatest, value)
        steps = np.int64(min(max((value - low) * scale + 0.5, 0.0), float(_STEPS)))
        first[k], last[k] = np.uint32(steps >> _LOW), np.uint16(steps & ((1 << _LOW) - 1))
    return least, greatest


@numba.njit(nogil=True, cache=True)
def _survey(first, last, edges):
    """The least, the greatest and the number of the values between each two edges."""
    lows, highs = np.full(len(edges) + 1, np.int64(1) << 62), np.full(len(edges) + 1, -1, np.int64)
    counts = np.zeros(len(edges) + 1, np.int64)
    for k in range(len(first)):
        value = (np.int64(first[k]) << _LOW) + np.int64(last[k])
        bucket = np.searchsorted(edges, value, side="right")
        lows[bucket], highs[bucket] = min(lows[bucket], value), max(highs[bucket], value)
        counts[bucket] += 1
    return lows, highs, counts


@numba.njit(nogil=True, cache=True)
def _fill_keys(first, last, low, high, shift, place_bits, keys, places):  # noqa: PLR0917
    """Write keys of the values from `low` to `high` alone, to be sorted, and the places of these."""
    low_first, high_first, mark = low >> _LOW, high >> _LOW, np.int64(1) << _LOW
    found = 0
    for k in range(len(first)):
        front = np.int64(first[k])
        if low_first <= front <= high_first and last[k] < mark:
            value = (front << _LOW) + np.int64(last[k])
            if low <= value <= high:
                places[found] = k
                keys[found] = (((value - low) >> shift) << place_bits) + found
                found += 1


@numba.njit(nogil=True, cache=True)
def _put_ranks(ranks, places, first, last):
    """Ranks in the places of the values they are of, marked as such."""
    for k in range(len(ranks)):
        first[places[k]] = np.uint32(ranks[k])
        last[places[k]] = np.uint16(1 << _LOW)


@numba.njit(nogil=True, cache=True)
def packed(values, place_bits):
    """Values as whole steps of their range, each with its place in the low bits; and the size of a step.

    39 to 62 bits are left for the value. A plain sort, which numpy vectorises, then is all there is to order.
    """
    keys = np.empty(len(values), dtype=np.int64)
    return keys, pack_into(values, place_bits, keys)


@numba.njit(nogil=True, cache=True)
def pack_into(values, place_bits, keys):
    """The same at the front of an array; the size of a step."""
    low, high = values[0], values[0]
    for k in range(len(values)):
        low, high = min(low, values[k]), max(high, values[k])
    unit = (high - low) / 2.0 ** (62 - place_bits)
    scale = 1 / unit if unit > 0 else 0.0
    for k in range(len(values)):
        keys[k] = (np.int64((values[k] - low) * scale + 0.5) << place_bits) + k
    return unit


@numba.njit(nogil=True, cache=True)
def sort_packed(keys, out):
    """Write packed values in ascending order.

    They lie between 0 and 2⁶² and rather evenly, so one pass deals them out to as many buckets as there are
    values, in ascending order of buckets, and hardly any is then out of place by more than one or two. A
    compiled loop over many lists can do it without the interpreter, and some hundred values take no longer
    than numpy's sort does.
    """
    m, shift = len(keys), 62
    while shift > 0 and (np.int64(1) << (62 - shift)) < m:
        shift -= 1
    ends = np.zeros((np.int64(1) << (62 - shift)) + 2, np.int64)
    for k in range(m):
        ends[keys[k] >> shift] += 1
    total, fullest = 0, 0
    for bucket in range(len(ends)):
        count = ends[bucket]
        fullest = max(fullest, count)
        ends[bucket] = total
        total += count
    for k in range(m):
        bucket = keys[k] >> shift
        out[ends[bucket]] = keys[k]
        ends[bucket] += 1
    if fullest > CROWDED:
        start = 0
        for end in ends:
            if end - start > CROWDED:
                out[start:end].sort()
            start = end
    for k in range(1, m):
        key, place = out[k], k
        while place > 0 and out[place - 1] > key:
            out[place] = out[place - 1]
            place -= 1
        out[place] = key


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
