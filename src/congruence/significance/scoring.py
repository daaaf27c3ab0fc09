"""Scoring what a null draws: each measure's scores of the same draws, in the order of their numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics import DecoderRows, Prepared, score_lists
from congruence.nulls import Case, Null
from congruence.progress import advance
from congruence.records import Alternative, NullTest, PairLists, Score
from congruence.significance.summary import at_least, summarise
from congruence.threads import available_threads

BLOCK_NUMBERS = 8_000_000
TOLD_ROWS = 400_000
"""Rows re-paired between two words on how far a test is."""


@dataclass(frozen=True, eq=False)
class Observed:
    """One measure of the observed pairs, ready to be held against draws.

    Attributes:
        measure: scores them.
        prepared: the rows, decomposed once.
        score: of the pairs as they are.
    """

    measure: Any
    prepared: Prepared
    score: Score

    @classmethod
    def of(cls, measure: Any, x: ArrayLike, y: ArrayLike) -> "Observed":
        """Score paired rows.

        Raises:
            InputError: the measure isn't defined for them.
        """
        prepared = measure.prepare(x, y)
        return cls(measure, prepared, prepared.observed())


def against_null(
    observed: Sequence[Observed],
    case: Case,
    null: Null,
    *,
    draws: int,
    alternative: Alternative = "greater",
    stop_after: int | None = None,
    threads: int | None = None,
    plus_one: bool = True,
) -> list[NullTest]:
    """Every measure against the same draws of a null, which are made once.

    Args:
        observed: the measures, on one case's pairs.
        case: what the null draws from.
        null: draws.
        draws: how many.
        alternative: which scores are extreme.
        stop_after: stop once this many draws of every measure are at least as extreme.
        threads: used by scoring; scores don't depend on it.
        plus_one: count the observed score among the draws (see `summarise`).

    Returns:
        One test a measure, in order.

    Raises:
        InputError: the null can't draw from this case, or a measure has no score of any draw.
    """
    for one in observed:
        if not np.isfinite(one.score.value):
            name, value = one.measure.name, one.score.value
            raise InputError(f"{name} gives {value} for the observed pairs: there is nothing to test")
    blocks = _blocks(draws, case.n, stop_after)
    scores: list[np.ndarray] = [np.empty(0) for _ in observed]
    compared: list[float] = [float(one.score) for one in observed]
    resolutions = [one.prepared.resolution for one in observed]
    for numbers in blocks:
        drawn = null.draw(case, numbers)
        lists = isinstance(drawn, PairLists)
        if lists and case.pairs is not None and numbers.start == 0:
            compared = _same_arithmetic(observed, case, threads)
            resolutions = [one.measure.list_resolution for one in observed]
        found = score_draws(observed, case, drawn, threads=threads)
        scores = [np.concatenate([before, new]) for before, new in zip(scores, found, strict=True)]
        if stop_after is not None and all(
            len(_extreme(s, c, alternative, r)) >= stop_after
            for s, c, r in zip(scores, compared, resolutions, strict=True)
        ):
            break
    named: dict[str, Any] = {"null": null.name, "seed": case.seed, "alternative": alternative}
    named |= {"stop_after": stop_after, "plus_one": plus_one}
    return [
        _summary(one, values, like, resolution, **named)
        for one, values, like, resolution in zip(observed, scores, compared, resolutions, strict=True)
    ]


def _summary(
    observed: Observed,
    scores: Float[np.ndarray, " m"],
    compared: float,
    resolution: float,
    *,
    null: str,
    seed: int,
    alternative: Alternative,
    stop_after: int | None,
    plus_one: bool,
) -> NullTest:
    """The record of one measure's test."""
    kept, p = _stopped(scores, compared, alternative, resolution, stop_after)
    return summarise(
        observed.score,
        kept,
        measure=observed.measure.name,
        null=null,
        alternative=alternative,
        seed=seed,
        resolution=resolution,
        p=p,
        compared=compared,
        plus_one=plus_one,
    )


def score_draws(
    observed: Sequence[Observed], case: Case, drawn: Any, *, threads: int | None = None
) -> list[Float[np.ndarray, " m"]]:
    """The scores of each measure on the draws of one block; NaN where a draw has none."""
    if isinstance(drawn, np.ndarray):
        return [_whole(_repaired(one, drawn), one) for one in observed]
    if isinstance(drawn, PairLists):
        return list_scores([one.measure for one in observed], case, drawn, threads)
    return [np.array([_score(one.measure, *rows) for rows in drawn]) for one in observed]


def _repaired(observed: Observed, permutations: np.ndarray) -> Float[np.ndarray, " m"]:
    """The scores of re-pairings, a part at a time where they take long, so that somebody can watch."""
    step, count = max(100, TOLD_ROWS // observed.prepared.n), len(permutations)
    if count <= step:
        return observed.prepared.repaired(permutations)
    parts, task = [], f"draws of {observed.measure.name}"
    for start in range(0, count, step):
        advance(task, start, count, "draws")
        parts.append(observed.prepared.repaired(permutations[start : start + step]))
    advance(task, count, count, "draws")
    return np.concatenate(parts)


def list_scores(
    measures: Sequence[Any], case: Case, lists: PairLists, threads: int | None = None
) -> list[Float[np.ndarray, " m"]]:
    """The scores of each measure on lists of pairs; NaN for lists of fewer than `case.min_pairs`."""
    scores = _list_scores(measures, case, lists, threads)
    return [np.where(lists.lengths < case.min_pairs, np.nan, values) for values in scores]


def _whole(scores: Float[np.ndarray, " m"], observed: Observed) -> Float[np.ndarray, " m"]:
    """Scores of re-paired rows, every one of which there must be."""
    if bad := int((~np.isfinite(scores)).sum()):
        name = observed.measure.name
        raise InputError(f"{name} gives NaN in {bad} of {len(scores)} draws: use more pairs")
    return scores


def _list_scores(
    measures: Sequence[Any], case: Case, lists: PairLists, threads: int | None
) -> Sequence[Float[np.ndarray, " m"]]:
    a, b = case.rows  # pyright: ignore[reportGeneralTypeIssues]
    if isinstance(a, DecoderRows):
        return list(score_lists(measures, a, b, lists, threads=threads or available_threads()))
    rows_a, rows_b = np.asarray(a), np.asarray(b)
    return [
        np.array([_score(measure, rows_a[i], rows_b[j]) if len(i) else np.nan for i, j in _each(lists)])
        for measure in measures
    ]


def _same_arithmetic(observed: Sequence[Observed], case: Case, threads: int | None) -> list[float]:
    """The observed pairs scored as drawn ones are."""
    one = PairLists.of([case.pairs])  # pyright: ignore[reportArgumentType]
    return [float(scores[0]) for scores in _list_scores([o.measure for o in observed], case, one, threads)]


def _each(lists: PairLists) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return (lists[number] for number in range(len(lists)))


def _score(measure: Any, x: ArrayLike, y: ArrayLike) -> float:
    """A score, NaN where the measure isn't defined for these rows."""
    try:
        return float(measure.prepare(x, y).observed())
    except InputError:
        return float("nan")


def _blocks(draws: int, n: int, stop_after: int | None) -> Iterator[range]:
    """Ranges of draws, small enough to hold their permutations."""
    size = max(1, BLOCK_NUMBERS // n) if stop_after is None else min(100, max(1, BLOCK_NUMBERS // n))
    for start in range(0, draws, size):
        yield range(start, min(start + size, draws))


def _extreme(
    scores: Float[np.ndarray, " m"], observed: float, alternative: Alternative, resolution: float
) -> np.ndarray:
    """The draws at least as extreme as the observed score."""
    sign = -1.0 if alternative == "less" else 1.0
    tie = resolution * max(abs(observed), float(np.nanmax(np.abs(scores), initial=0.0)))
    return np.flatnonzero(at_least(sign * scores, sign * observed, tie))


def _stopped(
    scores: Float[np.ndarray, " m"],
    observed: float,
    alternative: Alternative,
    resolution: float,
    stop_after: int | None,
) -> tuple[Float[np.ndarray, " used"], float | None]:
    """The scores up to the draw at which enough were extreme, with the p that goes with it."""
    if stop_after is None:
        return scores, None
    extreme = _extreme(scores, observed, alternative, resolution)
    if len(extreme) < stop_after:
        return scores, None
    used = int(extreme[stop_after - 1]) + 1
    return scores[:used], stop_after / used
