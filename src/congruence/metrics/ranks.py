"""Exact ranks of very many values, in little memory."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.threads import available_threads

BUCKET = 20_000_000
SAMPLE = 200_000
SPREAD = 4.0
"""Values further from the mean than so many standard deviations share the outermost places."""
FEW = 24


def centred_ranks(values: Float[np.ndarray, " m"], *, tie: float = 0.0) -> Int[np.ndarray, " m"]:
    """Twice the average rank of each value, minus its mean: whole numbers of four bytes.

    Values tie where no gap between neighbours in the order is above `tie`: a gap decides, not a rounded
    value, so that two values which are equal but for rounding tie wherever they lie.

    Beyond 20 million values they are cut at sample quantiles into buckets that are sorted one by one, so
    the memory is 12 bytes a value and some buckets, instead of the 28 of sorting at once.

    Args:
        values: (m,) numbers, fewer than 2³⁰.
        tie: largest gap between neighbours that is only rounding.

    Returns:
        (m,) int32.

    >>> centred_ranks(np.array([0.3, 0.1, 0.3, 0.2])).tolist()
    [2, -3, 2, -1]
    """
    ranks = np.empty(len(values), dtype=np.int32)
    if len(values) <= BUCKET:
        _fill_ranks(values, tie, -len(values) - 1, ranks)
        return ranks
    edges = _edges(values, tie)
    with ThreadPoolExecutor(available_threads()) as pool:
        list(pool.map(partial(_rank_bucket, values, tie, ranks), edges[:-1], edges[1:]))
    return ranks


def _edges(values: Float[np.ndarray, " m"], tie: float) -> Float[np.ndarray, " e"]:
    """Cuts at quantiles of a sample, open at both ends; none stands within a tie."""
    step = max(1, len(values) // SAMPLE)
    shares = np.linspace(0, 1, len(values) // BUCKET + 2)[1:-1]
    inner = np.unique([_above_a_gap(values, cut, tie) for cut in np.quantile(values[::step], shares)])
    return np.concatenate([[-np.inf], inner, [np.inf]])


def _above_a_gap(values: Float[np.ndarray, " m"], cut: float, tie: float) -> float:
    """The first value from `cut` on that ties with none below it."""
    while True:
        below = max(float(part[part < cut].max(initial=-np.inf)) for part in _parts(values))
        here = min(float(part[part >= cut].min(initial=np.inf)) for part in _parts(values))
        if here - below > tie or not np.isfinite(here):
            return here
        cut = np.nextafter(here, np.inf)


def _rank_bucket(
    values: Float[np.ndarray, " m"], tie: float, ranks: Int[np.ndarray, " m"], low: float, high: float
) -> None:
    """Fill in the centred ranks of the values in [low, high)."""
    below = sum(int((part < low).sum()) for part in _parts(values))
    places = np.flatnonzero((values >= low) & (values < high))
    inside = np.empty(len(places), dtype=np.int32)
    _fill_ranks(values[places], tie, 2 * below - (len(values) + 1), inside)
    ranks[places] = inside


def _parts(values: Float[np.ndarray, " m"]) -> list[Float[np.ndarray, " p"]]:
    return np.array_split(values, 1 + len(values) // BUCKET)


def _fill_ranks(
    values: Float[np.ndarray, " b"], tie: float, offset: int, ranks: Int[np.ndarray, " b"]
) -> None:
    """Twice the average rank of each value, counted from 1, plus an offset."""
    ordered, places = np.empty(len(values)), np.empty(len(values), dtype=np.int32)
    counts = np.empty(len(values) + 2, dtype=np.int32)
    rank_into(values, tie, offset, ranks, ordered, places, counts)


@numba.njit(nogil=True, cache=True)
def rank_into(values, tie, offset, ranks, ordered, places, counts):
    """Fill `ranks` with twice the average rank plus `offset`; the three last arrays are room to work in.

    Values are dealt to as many places as there are values, evenly between the bulk's ends, and each place
    is sorted by itself.
    """
    m = len(values)
    if m == 0:
        return
    low, scale = _even_scale(values)
    for place in range(m + 1):
        counts[place] = 0
    for k in range(m):
        counts[min(max(int((values[k] - low) * scale), 0), m - 1) + 1] += 1
    for place in range(m):
        counts[place + 1] += counts[place]
    for k in range(m):
        place = min(max(int((values[k] - low) * scale), 0), m - 1)
        at = counts[place]
        ordered[at], places[at] = values[k], k
        counts[place] = at + 1
    first = 0
    for place in range(m):
        last = counts[place]
        if last - first > 1:
            _sort(ordered[first:last], places[first:last])
        first = last
    first = 0
    for k in range(1, m + 1):
        if k == m or ordered[k] - ordered[k - 1] > tie:
            for j in range(first, k):
                ranks[places[j]] = first + k + 1 + offset
            first = k


@numba.njit(nogil=True, cache=True)
def _even_scale(values):
    """Where the bulk of the values begins, and how many places there are to a unit."""
    m = len(values)
    smallest, largest, total, squares = values[0], values[0], 0.0, 0.0
    for k in range(m):
        smallest, largest = min(smallest, values[k]), max(largest, values[k])
        total += values[k]
    mean = total / m
    for k in range(m):
        squares += (values[k] - mean) ** 2
    spread = SPREAD * np.sqrt(squares / m)
    low, high = max(smallest, mean - spread), min(largest, mean + spread)
    return low, (m / (high - low) if high > low else 0.0)


@numba.njit(nogil=True, cache=True)
def _sort(ordered, places):
    """Sort a few values in place, their places with them."""
    if len(ordered) > FEW:
        order = np.argsort(ordered)
        ordered[:], places[:] = ordered[order], places[order]
        return
    for k in range(1, len(ordered)):
        value, place, j = ordered[k], places[k], k
        while j > 0 and ordered[j - 1] > value:
            ordered[j], places[j] = ordered[j - 1], places[j - 1]
            j -= 1
        ordered[j], places[j] = value, place
