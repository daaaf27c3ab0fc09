"""Concept subspaces over the layers, and the keywords that carry their members."""

from typing import Any

import numpy as np

from congruence.run.results import Run
from congruence.view.plain import count, number, numbers
from congruence.view.rows import Rows
from congruence.view.views import REAL, MeasureView, concepts_of, headline, measure_views, records

KEYWORDS = 40
_LAYERS = ("layer_a", "layer_b")


def concepts(run: Run, grids: list[dict[str, Any]]) -> dict[str, Any]:
    """See `ConceptsAnswer` in the pages' types.

    Args:
        run: the run.
        grids: of its overview.
    """
    table = run.concept_keywords if run.holds("concept_keywords") else None
    places = {} if table is None else Rows.of(table).groups("control", "concept", "subspace", *_LAYERS)
    found, by_layer = [], []
    for concept, subspace in concepts_of(run):
        views = measure_views(run, concept=concept, subspace=subspace)
        lead = headline(views)
        best = lead.best
        rows = []
        if table is not None and best is not None:
            here = places.get((REAL, concept, subspace, int(best.layer_a), int(best.layer_b)), [])
            rows = sorted(records(table.iloc[here]), key=lambda row: (-row["pairs"], row["keyword"]))
        found.append(
            {
                "concept": concept,
                "subspace": subspace,
                "kind": _kind(concept, subspace),
                "n": 0 if best is None else int(best.n),
                "grids": [
                    i
                    for i, grid in enumerate(grids)
                    if (grid["control"], grid["concept"], grid["subspace"]) == (REAL, concept, subspace)
                ],
                "keywords": [_keyword(row) for row in rows[:KEYWORDS]],
            }
        )
        by_layer += [_best_of(view, concept, subspace, s) for view in views if view.first_null for s in "ab"]
    return {"concepts": found, "by_layer": by_layer}


def _kind(concept: str, subspace: str) -> str:
    if subspace in ("multi_token", "interaction"):
        return "phrases"
    return "union" if "+" in concept or concept.startswith("union") else "concept"


def _keyword(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "keyword": str(row["keyword"]),
        **{name: int(row[name]) for name in ("layer_a", "layer_b", "features_a", "features_b", "pairs")},
        "corpus_count": count(row["corpus_count"]),
        **{name: number(row[name]) for name in ("ratio", "p")},
        "change": [
            {
                "measure": str(one["measure"]),
                "value": None if one["value"] is None else number(one["value"]),
            }
            for one in row["change"]
        ],
    }


def _best_of(view: MeasureView, concept: str, subspace: str, side: str) -> dict[str, Any]:
    """The best score of each layer of a side, and the layer of the other that gives it."""
    values = view.grid("value").values
    layers, others = view.layers_a, view.layers_b
    if side == "b":
        values, layers, others = values.T, others, layers
    known = np.asarray(np.isfinite(values).any(axis=1)).tolist()
    filled = np.where(np.isfinite(values), values, -np.inf)
    return {
        "measure": view.measure,
        "concept": concept,
        "subspace": subspace,
        "side": side,
        "layers": list(layers),
        "values": numbers(np.where(np.array(known), filled.max(axis=1), np.nan)),
        "partners": [others[i] if k else None for i, k in zip(filled.argmax(axis=1), known, strict=True)],
    }
