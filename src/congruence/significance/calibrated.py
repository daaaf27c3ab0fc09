"""Scores rescaled so that 0 means not beyond the null's critical value, for one cell or a whole grid."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from congruence.errors import InputError, quoted
from congruence.records import NullTest
from congruence.registry import Registry
from congruence.significance.summary import p_value

AGGREGATES: Registry[Callable[..., Any]] = Registry("aggregate", "aggregates")
AGGREGATES.add("max", np.max)
AGGREGATES.add("mean", np.mean)


@dataclass(frozen=True)
class Calibrated:
    """A score against the critical value of its null.

    Attributes:
        score: (s − threshold) / (largest − threshold), within [0, 1]: 0 where s isn't beyond the threshold.
        p: one-sided (1 + b) / (1 + m).
        threshold: the (1 − alpha) order statistic of the observed score and the draws together.
        observed: the score, or the aggregate of a grid, as it was.
    """

    score: float
    p: float
    threshold: float
    observed: float


def calibrated(test: NullTest, *, alpha: float = 0.05, largest: float = 1.0) -> Calibrated:
    """The null-calibrated score of one test.

    Args:
        test: a one-sided ("greater") test.
        alpha: share of unrelated pairs that may score above 0.
        largest: the highest value the measure can take.

    Raises:
        InputError: alpha isn't between 0 and 1.

    Source: Gröger, Wen and Brbić 2026, algorithm 1 (the package calibrated-similarity 0.1.1).

    >>> from congruence.significance import permutation_test
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> calibrated(permutation_test("rsa", x, x, draws=99, rng=0)).score
    1.0
    """
    return _calibrate(test.observed, test.scores, alpha, largest)


def calibrated_grid(
    tests: Sequence[NullTest],
    *,
    aggregate: str | Callable[[np.ndarray], float] = "max",
    alpha: float = 0.05,
    largest: float = 1.0,
) -> Calibrated:
    """The null-calibrated aggregate (best or mean cell) of a grid of synchronised tests.

    The aggregate of the observed grid is held against the aggregates of the null grids, so that searching
    for the best layer pair is paid for.

    Args:
        tests: one test a cell, with equal seed and draws.
        aggregate: "max", "mean", or a function of the cells' scores.
        alpha: share of unrelated grids that may score above 0.
        largest: the highest value the measure can take.

    Raises:
        InputError: no tests, unequal draws, or alpha out of range.

    Source: Gröger, Wen and Brbić 2026, algorithm 2 (the package calibrated-similarity 0.1.1).
    """
    lengths = sorted({test.draws for test in tests})
    if len(lengths) != 1:
        raise InputError(f"the tests have {lengths or 'no'} draws: give all cells the same seed and draws")
    combine = AGGREGATES.get(aggregate) if isinstance(aggregate, str) else aggregate
    observed = float(combine(np.array([test.observed for test in tests])))
    grids = np.stack([test.scores for test in tests], axis=1)
    return _calibrate(observed, np.array([float(combine(grid)) for grid in grids]), alpha, largest)


def _calibrate(observed: float, scores: Float[np.ndarray, " m"], alpha: float, largest: float) -> Calibrated:
    if not 0 < alpha < 1:
        raise InputError(f"alpha={quoted(alpha)}: use a share between 0 and 1, such as 0.05")
    scores = np.where(np.isfinite(scores), scores, np.inf)  # a draw without a score counts against the claim
    together = np.sort(np.append(scores, observed))
    place = math.ceil(round((1 - alpha) * len(together), 9)) - 1
    threshold = float(together[min(max(place, 0), len(together) - 1)])
    room = max(largest - threshold, 1e-12)
    beyond = (observed - threshold) / room if np.isfinite(threshold) else 0.0
    score = float(np.clip(beyond, 0.0, 1.0))
    return Calibrated(score, p_value(observed, scores), threshold, observed)
