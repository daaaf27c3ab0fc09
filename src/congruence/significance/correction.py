"""Many tests at once: Benjamini–Hochberg, Holm, and max-T from synchronised draws."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.errors import InputError, quoted
from congruence.records import Alternative, NullTest
from congruence.registry import Registry

ALPHA = 0.05
"""What is at most this counts as told from chance."""

METHODS: Registry[Callable[..., Any]] = Registry("correction", "corrections")


def adjust(results: Sequence[NullTest] | ArrayLike, method: str = "bh") -> Float[np.ndarray, "..."]:
    """Adjusted p-values of a family of tests, in their order.

    Args:
        results: the tests of a grid, or (for "bh" and "holm") their p-values in an array of any shape;
            NaN stays NaN and counts for nothing.
        method: "bh" (false discovery rate), "holm" (family-wise error, any dependence) or "max_t"
            (family-wise error, using the dependence in synchronised draws).

    Returns:
        (c,) adjusted p-values, or an array in the shape of the p-values.

    Raises:
        InputError: "max_t" is asked for without draws, or their numbers differ.
        ConfigError: an unknown method.
    """
    correct = METHODS.get(method)
    tests = list(results)  # type: ignore[arg-type]
    if all(isinstance(test, NullTest) for test in tests) and tests:
        return correct(tests)
    if method == "max_t" or any(isinstance(test, NullTest) for test in tests):
        raise InputError(
            f"adjust(method={quoted(method)}) needs the tests themselves: pass a list of NullTest"
        )
    try:
        return correct(np.asarray(tests, dtype=float))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("p-values aren't numbers in an array: pass the p of each test") from None


def benjamini_hochberg(p: ArrayLike) -> Float[np.ndarray, "..."]:
    """q-values: min over larger p of p·c/rank (Benjamini and Hochberg 1995).

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    return _stepwise(p, lambda ordered: _step_up(ordered * len(ordered) / np.arange(1, len(ordered) + 1)))


def holm(p: ArrayLike) -> Float[np.ndarray, "..."]:
    """Holm's step-down adjusted p (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    return _stepwise(p, lambda ordered: np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1)))


def max_t(
    observed: ArrayLike, scores: ArrayLike, *, alternative: Alternative = "greater"
) -> Float[np.ndarray, " c"]:
    """Family-wise adjusted p: how often does the largest z of any cell reach this cell's z?

    z_c = (score − mean_c) / std_c with mean and std over the observed score and its draws together, so
    that the observed grid is one of m + 1 exchangeable grids; p_c = (1 + #{max_c' z*_c' ≥ z_c}) / (1 + m).

    Args:
        observed: (c,) scores.
        scores: (c, m) null scores; column d holds draw d of every cell. NaN, a draw that gave no score in a
            cell, counts as reaching that cell's z.
        alternative: which scores are extreme.

    Source: Westfall and Young 1993, single-step max-T.
    """
    grid = np.column_stack([np.asarray(observed, dtype=float), np.asarray(scores, dtype=float)])
    missing = ~np.isfinite(grid)
    mean, spread = np.nanmean(grid, axis=1, keepdims=True), np.nanstd(grid, axis=1, keepdims=True)
    flat = spread[:, 0] <= 1e-12 * np.nanmax(np.abs(grid), axis=1)
    z = (grid - mean) / np.where(flat[:, None], np.inf, spread)
    z = {"greater": z, "less": -z, "two-sided": np.abs(z)}[alternative]
    largest = np.where(flat[:, None] | missing, -np.inf, z)[:, 1:].max(axis=0)
    reached = ((largest[None, :] >= z[:, :1] - 1e-9) | missing[:, 1:]).sum(axis=1)
    return np.where(flat, 1.0, (1 + reached) / grid.shape[1])


@METHODS.register("bh")
def _adjust_bh(tests: Any) -> Float[np.ndarray, "..."]:
    return benjamini_hochberg(_p_values(tests))


@METHODS.register("holm")
def _adjust_holm(tests: Any) -> Float[np.ndarray, "..."]:
    return holm(_p_values(tests))


@METHODS.register("max_t")
def _adjust_max_t(tests: Sequence[NullTest]) -> Float[np.ndarray, " c"]:
    draws = {test.draws for test in tests}
    sides = {test.alternative for test in tests}
    if len(draws) > 1 or len(sides) > 1:
        raise InputError(
            f"max_t needs the same draws for all tests, but draws are {sorted(draws)} and alternatives "
            f"{sorted(sides)}: run them with one seed, one number of draws and no early stopping"
        )
    observed = [test.observed for test in tests]
    return max_t(observed, np.stack([test.scores for test in tests]), alternative=tests[0].alternative)


def _p_values(tests: Any) -> Float[np.ndarray, "..."]:
    if isinstance(tests, np.ndarray):
        return tests
    return np.array([test.p for test in tests], dtype=float)


def _stepwise(p: ArrayLike, adjusted: Callable[[np.ndarray], np.ndarray]) -> Float[np.ndarray, "..."]:
    shape = np.shape(p)
    values = np.asarray(p, dtype=float).ravel()
    known = np.flatnonzero(np.isfinite(values))
    if np.any((values[known] < 0) | (values[known] > 1)):
        raise InputError("p-values lie between 0 and 1: pass the p of each test")
    order = known[np.argsort(values[known], kind="stable")]
    out = np.full(values.shape, np.nan)
    if len(order):
        out[order] = np.minimum(adjusted(values[order]), 1.0)
    return out.reshape(shape)


def _step_up(raw: Float[np.ndarray, " c"]) -> Float[np.ndarray, " c"]:
    return np.minimum.accumulate(raw[::-1])[::-1]
