"""Testing one subspace of one cell: pair its features, score the pairs, hold each score against its nulls."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.concepts.subset_pairing import SubsetPairs
from congruence.config.steps import measure_label
from congruence.errors import InputError
from congruence.metrics import METRICS
from congruence.records import Score
from congruence.rng import derive_seed
from congruence.run.concepts.cell import Candidate, ConceptCell, Outcome
from congruence.run.concepts.rows import ConceptRows, blank, with_test
from congruence.run.concepts.scores import Measure, paired_rows, score_draws
from congruence.significance import permutation_test

ROUNDING = 1e-5
"""Redrawn scores nearer than this, relative to the largest, are ties."""

Tested = tuple[dict[str, Any], np.ndarray | None]
"""A row, and the null scores behind it."""


def examine(candidate: Candidate, cell: ConceptCell) -> Outcome:
    """Pair, score and test one subspace; too few features or pairs is a result, said in `warnings`."""
    pairs = candidate.pairing.pairs(candidate.features_a, candidate.features_b)
    if len(pairs) < cell.config.min_features:
        return Outcome(_too_few(candidate, cell, pairs), pairs, dict.fromkeys(cell.labels))
    work = _Examination.of(candidate, cell, pairs)
    rows = ConceptRows()
    for null in nulls_of(candidate, cell):
        for row, scores in work.repaired() if null == "pairing" else work.redrawn(null):
            rows.add(row, scores)
    return Outcome(
        rows, pairs, {label: s if isinstance(s, Score) else None for label, s in work.scores.items()}
    )


def nulls_of(candidate: Candidate, cell: ConceptCell) -> list[str]:
    """The nulls asked for that this kind of subspace has."""
    return [null for null in cell.config.nulls if null == "pairing" or null in candidate.nulls]


def mean(values: Any) -> float:
    """Mean of the finite values; NaN where there is none."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


@dataclass(frozen=True)
class _Examination:
    """A subspace with enough pairs.

    Attributes:
        x, y: its paired decoder rows.
        scores: of each measure; a string says why there is none.
        details: what every row says.
    """

    candidate: Candidate
    cell: ConceptCell
    x: np.ndarray
    y: np.ndarray
    scores: Mapping[str, Score | str]
    details: Mapping[str, Any]

    @classmethod
    def of(cls, candidate: Candidate, cell: ConceptCell, pairs: SubsetPairs) -> "_Examination":
        x, y = paired_rows(cell.a.rows, cell.b.rows, pairs.feature_a, pairs.feature_b)
        scores = {measure_label(*measure): _score(measure, x, y) for measure in cell.measures}
        return cls(candidate, cell, x, y, scores, _details(candidate, pairs))

    def repaired(self) -> Iterator[Tested]:
        """Null `pairing`: the same features, paired at random (the papers' Test 1)."""
        seed = derive_seed(self.cell.place.seed, "null", "pairing")
        for name, options in self.cell.measures:
            row, observed = self._row(measure_label(name, options), "pairing", self.details)
            if observed is None:
                yield row, None
                continue
            test = permutation_test(
                name, self.x, self.y, draws=self.cell.draws, rng=np.random.default_rng(seed), **options
            )
            scores = np.asarray(test.scores)
            yield with_test(row, observed, scores, draws=self.cell.draws, resolution=ROUNDING)

    def redrawn(self, null: str) -> Iterator[Tested]:
        """A null that draws other features: its pairs are drawn once and scored by every measure."""
        cell, drawn = self.cell, self.candidate.nulls[null](len(self.x))
        details = {**self.details, "unusable_draws": drawn.unusable, "null_n": mean(drawn.a.lengths)}
        defined = [m for m in cell.measures if isinstance(self.scores[measure_label(*m)], Score)]
        decoders = (cell.a.rows, cell.b.rows)
        options = {"min_pairs": cell.config.min_features, "threads": cell.threads}
        values = iter(score_draws(*decoders, drawn.a, drawn.b, defined, **options))
        for label in cell.labels:
            row, observed = self._row(label, null, details)
            if observed is None:
                yield row, None
            else:
                options = {"draws": cell.draws, "resolution": ROUNDING, "note": drawn.why}
                yield with_test(row, observed, next(values), **options)

    def _row(self, label: str, null: str, details: Mapping[str, Any]) -> tuple[dict[str, Any], Score | None]:
        """A row without numbers, and the score to test; a missing score is said in the row's warnings."""
        what = (self.candidate.name, self.candidate.kind, label, null)
        row = blank(self.cell.place, *what, n=len(self.x), details=details)
        observed = self.scores[label]
        if isinstance(observed, str):
            return row | {"warnings": observed}, None
        return row, observed


def _too_few(candidate: Candidate, cell: ConceptCell, pairs: SubsetPairs) -> ConceptRows:
    needed = cell.config.min_features
    a, b = len(candidate.features_a), len(candidate.features_b)
    if min(a, b) < needed:
        reason = f"too few features: {min(a, b)} of {needed} needed (a: {a}, b: {b})"
    else:
        reason = f"too few pairs: {len(pairs)} of {needed} needed"
    rows, details = ConceptRows(), _details(candidate, pairs)
    for null in nulls_of(candidate, cell):
        for label in cell.labels:
            what = (candidate.name, candidate.kind, label, null)
            rows.add(blank(cell.place, *what, n=len(pairs), details=details) | {"warnings": reason})
    return rows


def _details(candidate: Candidate, pairs: SubsetPairs) -> dict[str, Any]:
    return {
        **candidate.details,
        "features_a": len(candidate.features_a),
        "features_b": len(candidate.features_b),
        "mean_r": mean(pairs.value),
        "mean_cofirings": mean(pairs.cofirings),
    }


def _score(measure: Measure, x: np.ndarray, y: np.ndarray) -> Score | str:
    """The score, or why there is none."""
    name, options = measure
    try:
        score = METRICS.get(name)(x, y, **options)
    except InputError as error:
        return str(error)
    return score if np.isfinite(score.value) else "; ".join(score.warnings) or f"{name} isn't defined here"
