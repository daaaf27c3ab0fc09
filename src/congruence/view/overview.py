"""The first view: the answer, both sides, and every grid of layer pairs."""

import math
from typing import Any

import numpy as np

from congruence.errors import CongruenceError
from congruence.run.results import Run
from congruence.view.plain import by_row, number, texts
from congruence.view.verdict import ceiling_words, star_words, unanswered, verdict
from congruence.view.views import (
    REAL,
    WHOLE_SPACE,
    MeasureView,
    concepts_of,
    headline,
    measure_views,
    other_controls,
    records,
)
from congruence.view.words import measure_words, null_words

FORMAT = 1
_COLUMNS = ("value", "n", "null_mean", "calibrated", "z", "p", "q", "p_max_t", "ceiling", "low", "high")


def overview(run: Run) -> dict[str, Any]:
    """The answer of a run and all of its grids; see `Overview` in the pages' types."""
    leading = measure_views(run)
    lead = headline(leading)
    answer = verdict(run, lead)
    shown = [(REAL, WHOLE_SPACE, "all", view) for view in leading]
    for concept, subspace in concepts_of(run):
        views = measure_views(run, concept=concept, subspace=subspace)
        shown += [(REAL, concept, subspace, view) for view in views]
    for control in other_controls(run):
        shown += [(control, WHOLE_SPACE, "all", view) for view in measure_views(run, control=control)]
    before, after = run.pair_counts
    return {
        "format": FORMAT,
        "found": answer.found,
        "claim": answer.claim,
        "sentences": list(answer.sentences),
        "unanswered": unanswered(lead),
        "ceiling_words": ceiling_words(run, lead.ceilings),
        "headline": next(i for i, (_, _, _, view) in enumerate(shown) if view is lead),
        "sides": {side: _side(run, side) for side in ("a", "b")},
        "corpus": {
            name: run.corpus.get(name)
            for name in ("name", "documents", "tokens", "kept_tokens", "equal_tokenizers")
        },
        "finished": str(run.info.get("finished", "")),
        "versions": {str(k): str(v) for k, v in (run.info.get("versions") or {}).items()},
        "measures": [_measure(str(label)) for label in run.results.measure.unique()],
        "nulls": [_null(str(name)) for name in run.results.null.unique()],
        "grids": [_grid(run, *one) for one in shown],
        "ceilings": [
            {"measure": view.measure, "side": one.side, "layer": one.layer, "value": number(one.value)}
            for view in leading
            if view.first_null
            for one in view.ceilings
        ],
        "cells": [_cell(row) for row in records(run.cells)],
        "concepts": [{"concept": concept, "subspace": subspace} for concept, subspace in concepts_of(run)],
        "pairs_before": before,
        "pairs_after": after,
    }


def _side(run: Run, side: str) -> dict[str, Any]:
    told = run.info["sides"][side]
    layers = run.real_cells[f"layer_{side}"].unique()
    return {
        "name": run.side_name(side),
        "model": str(told.get("model", "")),
        "layers": sorted(int(layer) for layer in layers),
        "depth": None,
        "d_model": told.get("d_model"),
        "d_sae": dict(told.get("d_sae") or {}),
        "notes": texts(told.get("notes") or []),
    }


def _measure(label: str) -> dict[str, Any]:
    from congruence.metrics import measure_of

    words = measure_words(label)
    try:
        low, high = measure_of(label).range
    except CongruenceError:
        low, high = math.nan, math.nan
    return {
        "label": label,
        "title": words.title,
        "reading": words.reading,
        "beware": words.beware,
        "low": number(low),
        "high": number(high),
    }


def _null(name: str) -> dict[str, Any]:
    words = null_words(name)
    return {"name": name, "title": words.title, "hypothesis": words.hypothesis}


def _grid(run: Run, control: str, concept: str, subspace: str, view: MeasureView) -> dict[str, Any]:
    whole = concept == WHOLE_SPACE and control == REAL
    answer = verdict(run, view) if whole else None
    columns = {name: view.grid(name).values for name in _COLUMNS}
    chance = np.nan_to_num(columns["null_mean"])
    room = columns["ceiling"] - chance
    share = np.divide(columns["value"] - chance, room, out=np.full(room.shape, np.nan), where=room > 0)
    return {
        "measure": view.measure,
        "concept": concept,
        "subspace": subspace,
        "control": control,
        "null": view.null,
        "first_null": bool(view.first_null),
        "layers_a": list(view.layers_a),
        "layers_b": list(view.layers_b),
        "values": {name: by_row(values) for name, values in {**columns, "share_of_ceiling": share}.items()},
        "draws": int(view.data["draws"].max()),
        "alternative": str(view.data["alternative"][0]),
        "star_words": star_words(view),
        "warnings": [
            {"layer_a": int(a), "layer_b": int(b), "texts": texts(said)}
            for a, b, said in view.data.tuples("layer_a", "layer_b", "warnings")
            if len(said)
        ],
        "claim": answer.claim if answer else "",
        "sentences": list(answer.sentences) if answer else [],
    }


def _cell(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "control": row["control"],
        "control_side": row["control_side"],
        **{name: int(row[name]) for name in ("layer_a", "layer_b", "pairs_before", "pairs_after")},
        **{name: number(row[name]) for name in ("mean_r_before", "mean_r_after")},
    }
