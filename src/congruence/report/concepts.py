"""What a run says of its concept subspaces: their grids, a line for each of them, and their keywords."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.run.best import USUAL_NULL
from congruence.run.results import Run
from congruence.view.rows import Rows
from congruence.view.verdict import unanswered
from congruence.view.views import MeasureView, concepts_of, measure_views, records

INTERACTION = "interaction"
MOST_KEYWORDS = 6
"""Keywords shown for each concept."""
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
        return measure in self.views and not self.usual(measure).scored.empty


@dataclass(frozen=True)
class ConceptLine:
    """A subspace in a line.

    Attributes:
        name, kind: as in `Subspace`.
        pairs: (fewest, most) pairs of a layer pair.
        score: mean over the layer pairs that have one; NaN without any.
        above: null -> (layer pairs that stand after correction, layer pairs tested).
        unclear: null -> why it can't be told whether any layer pair stands; absent where it can.
        reason: why there is no score; "" where there is one.
    """

    name: str
    kind: str
    pairs: tuple[int, int]
    score: float
    above: dict[str, tuple[int, int]]
    unclear: dict[str, str]
    reason: str


@dataclass(frozen=True)
class Keyword:
    """One keyword of one concept at one layer pair.

    Attributes:
        word: the keyword.
        features_a, features_b: matched features of either side that fire on it.
        pairs: pairs of which both do.
        ratio: its share of the features over its share of the occurrences.
        change: the score without it minus the score with it; NaN where it wasn't computed.
    """

    word: str
    features_a: int
    features_b: int
    pairs: int
    ratio: float
    change: float


@dataclass(frozen=True)
class ConceptKeywords:
    """The keywords of one concept at the layer pair where it scores highest.

    Attributes:
        concept: its name.
        layer_a, layer_b: the layer pair.
        keywords: those with most features first.
        more: number of further keywords with a feature.
    """

    concept: str
    layer_a: int
    layer_b: int
    keywords: tuple[Keyword, ...]
    more: int


def subspaces(run: Run) -> list[Subspace]:
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


def concept_lines(run: Run) -> list[ConceptLine]:
    """A line for each subspace by the leading measure; interactions are left to the pictures."""
    found = subspaces(run)
    measure = lead_measure(found)
    kept = [s for s in found if s.kind != INTERACTION and measure in s.views]
    return [_line(subspace, str(measure)) for subspace in kept]


def reason_without_score(subspace: Subspace, measure: str) -> str:
    """Why no layer pair has a score: the warning of the one that came nearest."""
    rows = subspace.usual(measure).data
    said = [text for texts in rows["warnings"] for text in texts]
    if not said:
        return "no score"
    nearest = max(said, key=_first_number)
    return re.sub(r" \(a: .*\)$", "", nearest).replace("features: ", "features: at most ")


def concept_keywords(run: Run) -> list[ConceptKeywords]:
    """For every subspace with a score: what its matched features fire on, where it scores highest."""
    found = subspaces(run)
    if not found or not run.holds("concept_keywords"):
        return []
    table = run.concept_keywords
    places = Rows.of(table).groups("concept", "layer_a", "layer_b")
    measure = str(lead_measure(found))
    chosen = []
    for subspace in found:
        if subspace.kind == INTERACTION or not subspace.scored(measure):
            continue
        best = subspace.usual(measure).best
        assert best is not None
        here = places.get((subspace.name, int(best.layer_a), int(best.layer_b)), [])
        rows = records(table.iloc[here])
        if rows:
            words = tuple(_keyword(row, measure) for row in rows[:MOST_KEYWORDS])
            place = (int(best.layer_a), int(best.layer_b))
            chosen.append(ConceptKeywords(subspace.name, *place, words, max(0, len(rows) - MOST_KEYWORDS)))
    return chosen


def _line(subspace: Subspace, measure: str) -> ConceptLine:
    rows = subspace.usual(measure).data
    views = subspace.views[measure]
    above = {null: (len(view.significant), len(view.tested)) for null, view in views.items()}
    unclear = {null: reason for null, view in views.items() if (reason := unanswered(view))}
    score = float(np.nanmean(rows["value"])) if subspace.scored(measure) else float("nan")
    reason = "" if subspace.scored(measure) else reason_without_score(subspace, measure)
    pairs = (int(rows["n"].min()), int(rows["n"].max()))
    return ConceptLine(subspace.name, subspace.kind, pairs, score, above, unclear, reason)


def _first_number(text: str) -> int:
    number = re.search(r"\d+", text)
    return int(number.group()) if number else -1


def _keyword(row: dict[str, Any], measure: str) -> Keyword:
    change = {entry["measure"]: entry["value"] for entry in row["change"]}.get(measure, np.nan)
    return Keyword(
        str(row["keyword"]), int(row["features_a"]), int(row["features_b"]), int(row["pairs"]),
        float(row["ratio"]), float(change),
    )  # fmt: skip
