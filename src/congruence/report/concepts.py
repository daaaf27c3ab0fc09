"""What a run says of its concept subspaces: their grids, and one line for each of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from congruence.report.read import FinishedRun, where
from congruence.report.views import USUAL_NULL, MeasureView, concepts_of, measure_views

INTERACTION = "interaction"
HEADLINES = ("rsa", "linear_cka", "translation_accuracy")
"""The measure of the summary: the first of these that the concepts have, else their first."""


@dataclass(frozen=True)
class Subspace:
    """One concept, union or set of phrases over the layer pairs.

    Attributes:
        name: the concept.
        kind: "semantic", "overlap", "multi_token", or "interaction" for a union against its parts.
        views: measure -> null -> grid.
    """

    name: str
    kind: str
    views: dict[str, dict[str, MeasureView]]

    def usual(self, measure: str) -> MeasureView:
        """The view whose null is the usual one, else the first."""
        views = self.views[measure]
        return views.get(USUAL_NULL) or next(iter(views.values()))

    def scored(self, measure: str) -> bool:
        """Whether any layer pair has a score."""
        return measure in self.views and bool(self.usual(measure).rows.value.notna().any())


@dataclass(frozen=True)
class ConceptLine:
    """A subspace in a line.

    Attributes:
        name, kind: as in `Subspace`.
        pairs: (fewest, most) pairs of a layer pair.
        score: mean over the layer pairs that have one; NaN without any.
        above: null -> (layer pairs that stand after correction, layer pairs tested).
        reason: why there is no score; "" where there is one.
    """

    name: str
    kind: str
    pairs: tuple[int, int]
    score: float
    above: dict[str, tuple[int, int]]
    reason: str


def subspaces(run: FinishedRun) -> list[Subspace]:
    """Every subspace of the run, in its order."""
    found = []
    for name, kind in concepts_of(run):
        views: dict[str, dict[str, MeasureView]] = {}
        for view in measure_views(run, concept=name, subspace=kind):
            views.setdefault(view.measure, {})[view.null] = view
        found.append(Subspace(name, kind, views))
    return found


def measures_of(found: Sequence[Subspace]) -> list[str]:
    """Every measure that a subspace has, in order."""
    return list(dict.fromkeys(measure for subspace in found for measure in subspace.views))


def lead_measure(found: Sequence[Subspace]) -> str | None:
    """The measure that the summary quotes."""
    measures = measures_of(found)
    leading = [name for name in HEADLINES if name in measures]
    return next(iter([*leading, *measures]), None)


def concept_lines(run: FinishedRun) -> list[ConceptLine]:
    """A line for each subspace by the leading measure; interactions are left to the pictures."""
    found = subspaces(run)
    measure = lead_measure(found)
    kept = [s for s in found if s.kind != INTERACTION and measure in s.views]
    return [_line(subspace, str(measure)) for subspace in kept]


def reason_without_score(subspace: Subspace, measure: str) -> str:
    """Why no layer pair has a score: the warning of the one that came nearest."""
    rows = subspace.usual(measure).rows
    said = where(rows, rows.warnings != "")
    if said.empty:
        return "no score"
    nearest = max(said.warnings, key=_first_number)
    return re.sub(r" \(a: .*\)$", "", nearest).replace("features: ", "features: at most ")


def _line(subspace: Subspace, measure: str) -> ConceptLine:
    rows = subspace.usual(measure).rows
    above = {
        name: (len(view.significant), len(view.tested)) for name, view in subspace.views[measure].items()
    }
    score = float(np.nanmean(rows.value)) if rows.value.notna().any() else float("nan")
    reason = "" if subspace.scored(measure) else reason_without_score(subspace, measure)
    return ConceptLine(
        subspace.name, subspace.kind, (int(rows.n.min()), int(rows.n.max())), score, above, reason
    )


def _first_number(text: str) -> int:
    number = re.search(r"\d+", text)
    return int(number.group()) if number else -1
