"""Exact ranks of very many values, in little memory."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.threads import available_threads

BUCKET = 20_000_000
SAMPLE = 200_000


def centred_ranks(values: Float[np.ndarray, " m"], *, tie: float = 0.0) -> Int[np.ndarray, " m"]:
    """Twice the average rank of each value, minus its mean: whole numbers of four bytes.

    Values tie where no gap between neighbours in the order is above `tie`: a gap decides, not a rounded
    value, so that two values which are equal but for rounding tie wherever they lie.

    Beyond 20 million values they are cut at sample quantiles into buckets that are sorted one by one, so
    the memory is 12 bytes a value and some buckets, instead of the 20 of sorting at once.

    Args:
        values: (m,) numbers, fewer than 2³⁰.
        tie: largest gap between neighbours that is only rounding; below 20 million values a gap of
            1e-12 of the range can be told, in lists of some thousand one of 1e-15.

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
    """Twice the average rank of each value, counted from 1, plus an offset.

    Value and place are packed into one whole number, so that a plain sort, which numpy vectorises, is all
    there is to order. 39 to 62 bits are left for the value, in steps of its range.
    """
    if len(values):
        place_bits = max(len(values) - 1, 1).bit_length()
        keys, unit = packed(values, place_bits)
        keys.sort()
        fill_from_order(keys, place_bits, int(tie / unit) if unit else 0, offset, ranks)


@numba.njit(nogil=True, cache=True)
def packed(values, place_bits):
    """Values as whole steps of their range, each with its place in the low bits; and the size of a step."""
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
