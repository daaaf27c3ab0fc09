"""The loop of a run: each selection of a cell, under each of its nulls, by each of its measures."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from congruence.errors import InputError
from congruence.metrics import Measure, is_answerable
from congruence.metrics.blas import in_parallel, one_blas_thread
from congruence.metrics.inputs import shared
from congruence.nulls import Null
from congruence.records import NullTest, Score
from congruence.rng import derive_seed
from congruence.run.columns import blank_row
from congruence.run.grid import Cell
from congruence.run.plan import NullSettings
from congruence.run.schema import RESULTS
from congruence.run.selections.base import Selection
from congruence.significance import calibrated
from congruence.significance.scoring import Observed, against_null
from congruence.threads import at_most

SIDE_BY_SIDE = 1024
"""Pairs from which measures are prepared at once: decompositions of one side use one thread each."""

FEW = 128
"""Pairs up to which measures stay on one thread."""

AT_ONCE = 1 << 31
"""Bytes up to which they are: beyond, one measure after another."""

Tested = tuple[dict[str, Any], np.ndarray | None]
"""A row of results, and the null scores behind it."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the loop gives for one selection.

    Attributes:
        selection: which.
        rows: of results, with the null scores behind them.
        scores: of each measure by label; None where it isn't defined.
    """

    selection: Selection
    rows: list[Tested]
    scores: Mapping[str, Score | None]


def compute_cell(cell: Cell, selections: Iterator[Selection], settings: NullSettings) -> Iterator[Outcome]:
    """Every selection of a cell, scored and tested; draws of a null are made once for all measures."""
    for selection in selections:
        started = time.perf_counter()
        outcome = _outcome(cell, selection, settings)
        each = (time.perf_counter() - started) / max(len(outcome.rows), 1)
        yield replace(outcome, rows=[(row | {"seconds": each}, scores) for row, scores in outcome.rows])


def row_of(cell: Cell, selection: Selection, settings: NullSettings, **values: Any) -> dict[str, Any]:
    """A row of results without numbers."""
    return blank_row(
        RESULTS,
        control=cell.control,
        control_side=cell.control_side,
        concept=selection.concept,
        subspace=selection.subspace,
        layer_a=cell.a.layer,
        layer_b=cell.b.layer,
        n=selection.case.n,
        seed=settings.seed,
        alternative=settings.alternative,
        **{"details": dict(selection.details), **values},
    )


def _outcome(cell: Cell, selection: Selection, settings: NullSettings) -> Outcome:
    observed = _all_observed(selection)
    scored = [one for one in observed if isinstance(one, Observed)]
    rows: list[Tested] = []
    for null in selection.nulls:
        tests = iter(_tests(scored, selection, null, settings))
        for measure, one in zip(selection.measures, observed, strict=True):
            row = row_of(cell, selection, settings, measure=measure.label, null=null.name)
            if isinstance(one, Observed):
                filled, drawn = _filled(row, one, next(tests))
                rows.append((filled, drawn if settings.stop_after is None else None))
            else:
                rows.append((row | {"warnings": [one]}, None))
    scores = [one.score if isinstance(one, Observed) else None for one in observed]
    return Outcome(selection, rows, dict(zip([m.label for m in selection.measures], scores, strict=True)))


def is_heavy(selection: Selection) -> bool:
    """Whether its measures need so much memory that they are prepared one after another."""
    return sum(selection.needs) > AT_ONCE


def _all_observed(selection: Selection) -> list[Observed | str]:
    """Every measure of the observed pairs; of many pairs side by side, of very many one after another."""
    measures, n = selection.measures, selection.case.n
    if n < SIDE_BY_SIDE or selection.too_few:
        with on_one_thread_if_few(n):
            return [_observed(measure, selection) for measure in measures]
    if not is_heavy(selection):
        return _side_by_side(selection)
    found: dict[int, Observed | str] = {}
    least_first = np.argsort(selection.needs, kind="stable")  # what one holds stands beside what others need
    for place in least_first.tolist():
        found[place] = _observed(measures[place], selection)
    return [found[place] for place in range(len(measures))]


@contextmanager
def on_one_thread_if_few(pairs: int) -> Iterator[None]:
    """Few pairs are scored sooner than another thread has begun; no score depends on it."""
    if pairs > FEW:
        yield
        return
    with at_most(1), one_blas_thread():
        yield


def _side_by_side(selection: Selection) -> list[Observed | str]:
    """Every measure of the observed pairs at once, from rows that are checked and multiplied once for all."""
    rows = selection.rows
    try:
        checked = shared(*rows)
    except InputError:  # each measure says it in its own row
        checked = rows
    return in_parallel(
        lambda measure: _observed(measure, selection, checked if measure.shares_rows else rows),
        selection.measures,
    )


def _observed(measure: Measure, selection: Selection, rows: tuple[Any, Any] | None = None) -> Observed | str:
    """The measure of the observed pairs, or why it has no score."""
    if selection.too_few:
        return selection.too_few
    try:
        observed = Observed.of(measure, *(rows or selection.rows))
    except InputError as error:
        return str(error)
    if not np.isfinite(observed.score.value):
        return "; ".join(observed.score.warnings) or f"{measure.label} isn't defined here"
    return observed


def _tests(
    observed: Sequence[Observed], selection: Selection, null: Null, settings: NullSettings
) -> list[NullTest | str]:
    """Each measure against one null, or why it wasn't tested."""
    testable = [one for one in observed if is_answerable(one.prepared)]
    found: dict[int, NullTest | str] = dict.fromkeys(map(id, observed), "its size decides the score")
    if not testable:
        return list(found.values())
    try:
        tests = against_null(
            testable,
            replace(selection.case, seed=derive_seed(settings.seed, "null", null.name)),
            null,
            draws=selection.draws,
            alternative=settings.alternative,
            stop_after=settings.stop_after,
            plus_one=settings.plus_one,
        )
    except (InputError, MemoryError) as error:
        tests = [str(error) or "memory ran out"] * len(testable)
    found |= {id(one): test for one, test in zip(testable, tests, strict=True)}
    return [found[id(one)] for one in observed]


def _filled(row: dict[str, Any], observed: Observed, test: NullTest | str) -> Tested:
    score = observed.score
    row |= {"value": float(score), "details": {**row["details"], **score.details}}
    warnings = list(score.warnings)
    if isinstance(test, str):
        return row | {"warnings": [*warnings, f"not tested: {test}"]}, None
    if test.scored < test.draws:
        warnings.append(
            f"{test.scored} of {test.draws} draws gave a score; the others count against the claim"
        )
    return row | columns_of(test, observed.measure.range[1]) | {"warnings": warnings}, test.scores


def columns_of(test: NullTest, largest: float) -> dict[str, Any]:
    """The columns of a results row that a null test fills.

    Args:
        test: one measure against one null.
        largest: the most that the measure can give.
    """
    one_sided = test.alternative == "greater" and np.isfinite(largest)
    return {
        "draws": test.draws,
        "scored": test.scored,
        "null_mean": test.null_mean,
        "null_std": test.null_std,
        **{f"null_q{round(100 * level):02d}": value for level, value in test.quantiles.items()},
        "z": test.z,
        "p": test.p,
        "corrected": test.corrected,
        "calibrated": calibrated(test, largest=largest).score if one_sided else float("nan"),
    }
