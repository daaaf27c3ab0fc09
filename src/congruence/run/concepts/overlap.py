"""Unions of concepts against their parts: is the whole more than they are, and more than chance unions?"""

from collections.abc import Mapping

import numpy as np

from congruence.config.steps import measure_label
from congruence.records import Score
from congruence.run.concepts.cell import ConceptCell, Outcome
from congruence.run.concepts.rows import ConceptRows, blank, with_test
from congruence.run.concepts.scores import Measure, score_draws
from congruence.run.concepts.text import Subspace

KIND = "interaction"
NULL = "unrelated_keywords"


def interaction_rows(cell: ConceptCell, outcomes: Mapping[str, Outcome]) -> ConceptRows:
    """For every union and measure: its score minus the mean score of its parts, weighted by their pairs.
    Ours.

    The null draws random keyword groups in place of the union's keywords (as many and as frequent, shared
    keywords shared) and takes the same difference.

    Args:
        cell: the layer pair.
        outcomes: of every subspace, by name.
    """
    rows = ConceptRows()
    for subspace in cell.a.text.subspaces.values():
        if subspace.parts:
            _add_union(rows, cell, subspace, outcomes)
    return rows


def interaction(whole: float, parts: np.ndarray, sizes: np.ndarray) -> float:
    """s − Σ n_k s_k / Σ n_k: above 0 where the union scores higher than its parts do.

    >>> interaction(0.5, np.array([0.2, 0.5]), np.array([10, 20]))
    0.1
    """
    return float(np.round(whole - np.dot(parts, sizes) / np.sum(sizes), 12))


def _add_union(
    rows: ConceptRows, cell: ConceptCell, subspace: Subspace, outcomes: Mapping[str, Outcome]
) -> None:
    whole, parts = outcomes[subspace.name], [outcomes[name] for name in subspace.parts]
    sizes = np.array([len(part.pairs) for part in parts])
    scored = [m for m in cell.measures if _has_score([whole, *parts], measure_label(*m))]
    null = _null_interactions(cell, subspace, scored) if NULL in cell.config.nulls and scored else {}
    for measure in cell.measures:
        label = measure_label(*measure)
        values = {name: _value(outcomes[name].scores[label]) for name in subspace.parts}
        details = {"parts": values, "pairs": {n: len(outcomes[n].pairs) for n in subspace.parts}}
        row = blank(cell.place, subspace.name, KIND, label, NULL, n=len(whole.pairs), details=details)
        if measure not in scored:
            rows.add(row | {"warnings": "the union or one of its parts has no score"})
            continue
        score = whole.scores[label]
        difference = interaction(_value(score), np.array(list(values.values())), sizes)
        observed = Score(label, difference, len(whole.pairs))
        if label in null:
            rows.add(*with_test(row, observed, null[label], draws=cell.draws))
        else:
            rows.add(row | {"value": difference})


def _null_interactions(
    cell: ConceptCell, subspace: Subspace, measures: list[Measure]
) -> dict[str, np.ndarray]:
    """(draws,) interaction of each draw, by measure; NaN where a group gives too few pairs."""
    whole, _ = _scores(cell, subspace.name, None, measures)
    parts, sizes = zip(
        *(_scores(cell, subspace.name, part, measures) for part in subspace.parts), strict=True
    )
    weights = np.stack(sizes)[:, None, :]
    averaged = (np.stack(parts) * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1)
    return {measure_label(*m): values for m, values in zip(measures, whole - averaged, strict=True)}


def _scores(
    cell: ConceptCell, name: str, part: str | None, measures: list[Measure]
) -> tuple[np.ndarray, np.ndarray]:
    """(measures, draws) scores of the random groups, and their (draws,) numbers of pairs."""
    subsets = [side.unrelated_members(name, cell.draws, 0, part) for side in (cell.a, cell.b)]
    pairs_a, pairs_b = cell.pairing.draws(*subsets, threads=cell.threads)
    scores = score_draws(
        cell.a.rows,
        cell.b.rows,
        pairs_a,
        pairs_b,
        measures,
        min_pairs=cell.config.min_features,
        threads=cell.threads,
    )
    return scores, pairs_a.lengths


def _has_score(outcomes: list[Outcome], label: str) -> bool:
    return all(outcome.scores[label] is not None for outcome in outcomes)


def _value(score: Score | None) -> float:
    return float("nan") if score is None else float(score)
