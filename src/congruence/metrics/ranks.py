"""Exact ranks of very many values, in little memory."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Shaped

from congruence.threads import available_threads

BUCKET = 20_000_000
SAMPLE = 200_000
EXACT_SINGLE = 2**24


def centred_ranks(values: Float[np.ndarray, " m"]) -> Shaped[np.ndarray, " m"]:
    """Twice the average rank of each value, minus its mean: whole numbers, held exactly in four bytes.

    Beyond 20 million values they are cut at sample quantiles into buckets that are sorted one by one, so
    the memory is 12 bytes a value and some buckets, instead of the 24 of sorting at once.

    Args:
        values: (m,) numbers, fewer than 2³⁰.

    Returns:
        (m,) float32 below 2²⁴ values, int32 from there.
    """
    dtype = np.float32 if len(values) < EXACT_SINGLE else np.int32
    if len(values) <= BUCKET:
        return (_doubled_ranks(values) - (len(values) + 1)).astype(dtype)
    ranks = np.empty(len(values), dtype=dtype)
    edges = _edges(values)
    with ThreadPoolExecutor(available_threads()) as pool:
        list(pool.map(partial(_rank_bucket, values, ranks), edges[:-1], edges[1:]))
    return ranks


def _edges(values: Float[np.ndarray, " m"]) -> Float[np.ndarray, " e"]:
    """Cuts at quantiles of a sample, open at both ends."""
    step = max(1, len(values) // SAMPLE)
    shares = np.linspace(0, 1, len(values) // BUCKET + 2)[1:-1]
    inner = np.unique(np.quantile(values[::step], shares))
    return np.concatenate([[-np.inf], inner, [np.inf]])


def _rank_bucket(
    values: Float[np.ndarray, " m"], ranks: Shaped[np.ndarray, " m"], low: float, high: float
) -> None:
    """Fill in the centred ranks of the values in [low, high)."""
    below = sum(int((part < low).sum()) for part in _parts(values))
    places = np.flatnonzero((values >= low) & (values < high))
    ranks[places] = _doubled_ranks(values[places]) + 2 * below - (len(values) + 1)


def _parts(values: Float[np.ndarray, " m"]) -> list[Float[np.ndarray, " p"]]:
    return np.array_split(values, 1 + len(values) // BUCKET)


def _doubled_ranks(values: Float[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
    """First plus last rank of each value's ties, counted from 1: twice the average rank."""
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.concatenate([starts[1:], [len(values)]])
    doubled = np.empty(len(values), dtype=np.int64)
    doubled[order] = np.repeat(starts + ends + 1, ends - starts)
    return doubled
