"""Intervals of the scores of the whole space, by resampling pairs or documents."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from congruence.config.sections import IntervalConfig
from congruence.errors import InputError
from congruence.metrics import Measure
from congruence.rng import derive
from congruence.run.cell import Outcome, Tested
from congruence.run.layer import Layer
from congruence.run.plan import Plan
from congruence.run.selections.base import Selection
from congruence.run.selections.whole import pair_documents

Resample = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""Number of a resample -> the paired decoder rows that it is scored on."""


def with_intervals(outcome: Outcome, a: Layer, b: Layer, plan: Plan) -> list[Tested]:
    """The rows of a selection with `low`, `high` and `interval`, where the configuration asks for them."""
    config = plan.config.interval
    if config is None:
        return outcome.rows
    measures = [m for m in outcome.selection.measures if outcome.scores[m.label] is not None]
    scores = dict(zip((m.label for m in measures), _resampled(measures, outcome, a, b, plan), strict=True))
    return [
        (row | _bounds(row["value"], scores[row["measure"]], config), drawn)
        if row["measure"] in scores
        else (row, drawn)
        for row, drawn in outcome.rows
    ]


def halves_of_pairs(selection: Selection, seed: int) -> Resample:
    """Random halves of the pairs: a resample with replacement would hold pairs twice, which measures of
    neighbours take for likeness."""
    x, y = selection.rows

    def half(number: int) -> tuple[np.ndarray, np.ndarray]:
        taken = np.sort(derive(seed, "interval", number).permutation(len(x))[: len(x) // 2])
        return x[taken], y[taken]

    return half


def paired_again(a: Layer, b: Layer, plan: Plan) -> Resample:
    """Documents drawn with replacement; features are paired and filtered anew on each resample."""
    documents = len(b.document_offsets) - 1

    def resample(number: int) -> tuple[np.ndarray, np.ndarray]:
        picks = derive(plan.config.seed, "interval", number).integers(documents, size=documents)
        kept = pair_documents(a, b, np.bincount(picks, minlength=documents), plan)
        return a.W_dec[kept.feature_a], b.W_dec[kept.feature_b]

    return resample


def _resampled(
    measures: Sequence[Measure], outcome: Outcome, a: Layer, b: Layer, plan: Plan
) -> Float[np.ndarray, "measures resamples"]:
    config: IntervalConfig = plan.config.interval  # pyright: ignore[reportAssignmentType]
    if config.by == "pairs":
        resample = halves_of_pairs(outcome.selection, plan.config.seed)
    else:
        resample = paired_again(a, b, plan)
    out = np.full((len(measures), config.draws), np.nan)
    for number in range(config.draws):
        x, y = resample(number)
        for place, measure in enumerate(measures):
            out[place, number] = _score(measure, x, y)
    return out


def _bounds(value: float, scores: Float[np.ndarray, " m"], config: IntervalConfig) -> dict[str, object]:
    """Both ends: the score, and around it how the resampled ones lie around their mean.

    The spread of a statistic over random halves is that of the statistic over new samples of the full size
    (delete-half jackknife; Shao and Wu 1989). Documents drawn with replacement: the basic bootstrap's
    spread, likewise around the score (Efron and Tibshirani 1993).
    """
    known = scores[np.isfinite(scores)]
    if len(known) < len(scores) / 2:
        return {"interval": config.by}
    low, high = np.quantile(known - known.mean(), [(1 - config.level) / 2, (1 + config.level) / 2])
    return {"low": value + float(low), "high": value + float(high), "interval": config.by}


def _score(measure: Measure, x: np.ndarray, y: np.ndarray) -> float:
    try:
        return float(measure(x, y))
    except InputError:
        return float("nan")
