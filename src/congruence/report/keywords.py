"""Which keywords the matched features of each concept fire on (the first paper's Table 3)."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from congruence.report.concepts import INTERACTION, lead_measure, subspaces
from congruence.report.read import FinishedRun, records, where

MOST = 6
"""Keywords shown for each concept."""


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


def concept_keywords(run: FinishedRun) -> list[ConceptKeywords]:
    """For every subspace with a score: what its matched features fire on, where it scores highest."""
    path = run.path / "concept_keywords.parquet"
    if not path.exists():
        return []
    table, found = pd.read_parquet(path), subspaces(run)
    measure = str(lead_measure(found))
    chosen = []
    for subspace in found:
        if subspace.kind == INTERACTION or not subspace.scored(measure):
            continue
        best = subspace.usual(measure).best
        assert best is not None
        here = (table.layer_a == best.layer_a) & (table.layer_b == best.layer_b)
        rows = records(where(table, (table.concept == subspace.name) & here))
        if rows:
            words = tuple(_keyword(row, measure) for row in rows[:MOST])
            place = (int(best.layer_a), int(best.layer_b))
            chosen.append(ConceptKeywords(subspace.name, *place, words, max(0, len(rows) - MOST)))
    return chosen


def _keyword(row: dict[str, Any], measure: str) -> Keyword:
    change = json.loads(str(row["change"])).get(measure, np.nan)
    return Keyword(
        str(row["keyword"]), int(row["features_a"]), int(row["features_b"]), int(row["pairs"]),
        float(row["ratio"]), float(change),
    )  # fmt: skip
