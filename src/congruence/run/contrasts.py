"""Unions of concepts against their parts: is the whole more than they are, and more than chance unions?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from congruence.errors import InputError
from congruence.metrics import Measure
from congruence.nulls import Case, UnrelatedKeywords
from congruence.records import PairLists, Score
from congruence.run.cell import Outcome, Tested, columns_of, row_of
from congruence.run.grid import Cell
from congruence.run.plan import NullSettings
from congruence.run.selections.base import Selection
from congruence.run.selections.concepts import ConceptCell
from congruence.run.selections.text import Subspace
from congruence.significance import summarise
from congruence.significance.scoring import list_scores

KIND = "interaction"
NULL = UnrelatedKeywords()


def interaction_rows(
    cell: Cell, concepts: ConceptCell, outcomes: Mapping[str, Outcome], settings: NullSettings
) -> list[Tested]:
    """For every union and measure: its score minus the mean score of its parts, weighted by their pairs.
    Ours.

    The null draws random keyword groups in place of the union's keywords (as many and as frequent, shared
    keywords shared) and takes the same difference.

    Args:
        cell: the layer pair.
        concepts: its concepts.
        outcomes: of every subspace, by name.
        settings: how scores are tested.
    """
    unions = [subspace for subspace in concepts.a.text.subspaces.values() if subspace.parts]
    return [row for union in unions for row in _union_rows(cell, concepts, union, outcomes, settings)]


def interaction(whole: float, parts: np.ndarray, sizes: np.ndarray) -> float:
    """s − Σ n_k s_k / Σ n_k: above 0 where the union scores higher than its parts do.

    >>> interaction(0.5, np.array([0.2, 0.5]), np.array([10, 20]))
    0.1
    """
    return float(np.round(whole - np.dot(parts, sizes) / np.sum(sizes), 12))


def _union_rows(
    cell: Cell,
    concepts: ConceptCell,
    union: Subspace,
    outcomes: Mapping[str, Outcome],
    settings: NullSettings,
) -> list[Tested]:
    whole, parts = outcomes[union.name], [outcomes[name] for name in union.parts]
    sizes = np.array([part.selection.case.n for part in parts])
    scored = [m for m in concepts.measures if all(o.scores[m.label] is not None for o in (whole, *parts))]
    drawn = _drawn(concepts, union, scored, whole) if scored and NULL in concepts.nulls else {}
    rows: list[Tested] = []
    for measure in concepts.measures:
        values = np.array([_value(part.scores[measure.label]) for part in parts])
        named = zip(union.parts, values.tolist(), sizes.tolist(), strict=True)
        details = {"parts": [{"concept": name, "value": value, "pairs": n} for name, value, n in named]}
        selection = _named(whole.selection, details)
        row = row_of(cell, selection, settings, measure=measure.label, null=NULL.name)
        if measure not in scored:
            rows.append((row | {"warnings": ["the union or one of its parts has no score"]}, None))
            continue
        difference = interaction(_value(whole.scores[measure.label]), values, sizes)
        rows.append(_tested(row | {"value": difference}, measure, drawn.get(measure.label), settings))
    return rows


def _tested(
    row: dict[str, Any], measure: Measure, drawn: np.ndarray | None, settings: NullSettings
) -> Tested:
    if drawn is None:
        return row, None
    observed = Score(measure.label, row["value"], row["n"])
    asked: dict[str, Any] = {"alternative": settings.alternative, "plus_one": settings.plus_one}
    try:
        test = summarise(observed, drawn, measure=measure.label, null=NULL.name, **asked)
    except InputError as error:
        return row | {"warnings": [f"not tested: {error}"]}, None
    missing = test.draws - test.scored
    warnings = (
        [f"{missing} of {test.draws} draws gave no score and count against the claim"] if missing else []
    )
    return row | columns_of(test, float("inf")) | {"warnings": warnings}, test.scores


def _drawn(
    concepts: ConceptCell, union: Subspace, measures: Sequence[Measure], outcome: Outcome
) -> dict[str, np.ndarray]:
    """(draws,) difference of each draw, by measure; NaN where a group gives too few pairs."""
    whole = _of_union(concepts, union, measures, outcome)
    parts, sizes = zip(*(_scores(concepts, union.name, part, measures) for part in union.parts), strict=True)
    weights = np.stack(sizes)[:, None, :]
    averaged = (np.stack(parts) * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1)
    return {measure.label: values for measure, values in zip(measures, whole - averaged, strict=True)}


def _of_union(
    concepts: ConceptCell, union: Subspace, measures: Sequence[Measure], outcome: Outcome
) -> Float[np.ndarray, "measures draws"]:
    """Scores of random groups in place of the union's keywords.

    They are those of the union's own test, but where its draw was made anew because the group at hand gives
    too few pairs.
    """
    tested = {row["measure"]: scores for row, scores in outcome.rows if row["null"] == NULL.name}
    known = [tested.get(measure.label) for measure in measures]
    scores = [values for values in known if values is not None and len(values) == concepts.draws]
    if len(scores) < len(measures):
        return _scores(concepts, union.name, None, measures)[0]
    short = _lists(concepts, union.name, None).lengths < concepts.config.min_features
    return np.where(short, np.nan, np.stack(scores))


def _lists(concepts: ConceptCell, name: str, part: str | None) -> PairLists:
    """Pairs inside the features of each random group."""
    numbers, draws = np.arange(concepts.draws), concepts.draws
    subsets = [side.unrelated(name, numbers, 0, draws=draws, part=part) for side in (concepts.a, concepts.b)]
    return concepts.pairing.draws(*subsets, threads=concepts.threads)


def _scores(
    concepts: ConceptCell, name: str, part: str | None, measures: Sequence[Measure]
) -> tuple[Float[np.ndarray, "measures draws"], np.ndarray]:
    """Scores of the features of random groups, and their (draws,) numbers of pairs."""
    lists, least = _lists(concepts, name, part), concepts.config.min_features
    case = Case(n=0, seed=0, rows=(concepts.a.rows, concepts.b.rows), min_pairs=least)
    return np.stack(list_scores(measures, case, lists)), lists.lengths


def _named(whole: Selection, details: Mapping[str, Any]) -> Selection:
    return Selection(
        whole.concept, KIND, whole.case, whole.measures, whole.nulls, whole.draws, details=details
    )


def _value(score: Score | None) -> float:
    return float("nan") if score is None else float(score)
