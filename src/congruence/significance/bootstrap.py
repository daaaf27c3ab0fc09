"""Intervals by resampling documents, the units that are independent; tokens of one document aren't."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from congruence.errors import InputError, quoted
from congruence.metrics.inputs import whole_number
from congruence.nulls.permutations import check_draws, seed_of
from congruence.rng import derive

MIN_DOCUMENTS = 2


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes:
        value: the statistic on all documents, each once.
        low, high: bounds.
        level: nominal coverage.
        scores: (m,) the statistic on each resample; NaN draws are left out of the bounds.
    """

    value: float
    low: float
    high: float
    level: float
    scores: np.ndarray = field(repr=False)


def bootstrap_interval(
    statistic: Callable[[Int[np.ndarray, " documents"]], Any],
    documents: int,
    *,
    draws: int = 1000,
    level: float = 0.95,
    rng: int | np.random.Generator,
) -> Interval:
    """Percentile interval of a statistic under resampling of documents with replacement.

    Args:
        statistic: a function of the (documents,) times each document is taken; give it `rows_taken` to get
            token rows, or weight streamed moments with it.
        documents: how many there are.
        draws: resamples.
        level: nominal coverage.
        rng: a seed, or a generator.

    Returns:
        Interval.

    Raises:
        InputError: fewer than 2 documents, draws below 1, or a level not between 0 and 1.

    Source: Efron and Tibshirani 1993, chapter 13.

    >>> values = np.array([1.0, 2.0, 3.0, 4.0])
    >>> found = bootstrap_interval(lambda times: np.average(values, weights=times), 4, draws=200, rng=0)
    >>> found.value, found.low < found.value < found.high
    (2.5, True)
    """
    count = whole_number("documents", documents, low=MIN_DOCUMENTS, remedy="use a corpus of more documents")
    if not 0 < level < 1:
        raise InputError(f"level={quoted(level)}: use a share between 0 and 1, such as 0.95")
    numbers, seed = range(check_draws(draws)), seed_of(rng)
    scores = np.array([float(statistic(_times(seed, number, count))) for number in numbers])
    value = float(statistic(np.ones(count, dtype=np.int64)))
    if not np.isfinite(scores).any():
        raise InputError("the statistic is NaN on every resample: use more documents")
    low, high = np.nanquantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), level, scores)


def rows_taken(times: Int[np.ndarray, " documents"], document_offsets: ArrayLike) -> Int[np.ndarray, " rows"]:
    """The token rows of a resample: those of each document, as often as it is taken.

    >>> rows_taken(np.array([2, 0, 1]), [0, 2, 3, 5]).tolist()
    [0, 1, 0, 1, 3, 4]
    """
    offsets = np.asarray(document_offsets)
    taken = np.repeat(np.arange(len(times)), times)
    return np.concatenate([np.arange(offsets[d], offsets[d + 1]) for d in taken])


def _times(seed: int, number: int, documents: int) -> Int[np.ndarray, " documents"]:
    picks = derive(seed, "bootstrap", number).integers(documents, size=documents)
    return np.bincount(picks, minlength=documents)
