"""One cell: its pairs before and after filtering, its scores against their nulls, and its warnings."""

from typing import Any

import numpy as np
import pandas as pd

from congruence.rng import derive
from congruence.run.results import Run
from congruence.view.cells import CellKey
from congruence.view.plain import count, counted, edges_of, histogram, number, numbers, texts
from congruence.view.stored import Stored
from congruence.view.views import WHOLE_SPACE
from congruence.view.words import measure_words

BINS = 40
FIRINGS = 2000
"""Pairs of the scatter of firings."""


def cell(
    stored: Stored, key: CellKey, table: pd.DataFrame | None, *, firings: int = FIRINGS
) -> dict[str, Any]:
    """What is known of a cell; see `CellAnswer` in the pages' types.

    Args:
        stored: of the run.
        key: of the cell.
        table: its rows of matches.parquet; None: what needs its pairs or the draws of its nulls is left out.
        firings: pairs of the scatter of firings.

    Raises:
        InputError: the run has no such cell.
    """
    run, summary = stored.run, stored.summary(key)
    scores = _scores(stored, key, drawn=table is not None)
    return {
        **key.record(),
        **{name: count(summary[name]) for name in ("alive_a", "alive_b", "unmatched_a", "unmatched_b")},
        **{name: int(summary[name]) for name in ("pairs_before", "pairs_after")},
        **{name: number(summary[name]) for name in ("mean_r_before", "mean_r_after")},
        "r": None if table is None else _r(table),
        "scores": scores,
        "waterfall": _waterfall(int(summary["pairs_before"]), summary["removed"]),
        "firing": None if table is None else _firing(run, key, table, firings),
        "tokens": run.corpus.get("kept_tokens"),
        "warnings": _warnings(scores),
    }


def _warnings(scores: list[dict[str, Any]]) -> list[str]:
    """Every warning once, with the spaces that it is of unless it is of all."""
    spaces: dict[str, list[str]] = {}
    everywhere = list(dict.fromkeys(_space(score) for score in scores))
    for score in scores:
        for text in score["warnings"]:
            if _space(score) not in spaces.setdefault(text, []):
                spaces[text].append(_space(score))
    return [
        text if of in ([WHOLE_SPACE], everywhere) else f"{', '.join(of)}: {text}"
        for text, of in spaces.items()
    ]


def _space(score: dict[str, Any]) -> str:
    """What a score is of, as the page calls it: a concept, with its kind where one name has several."""
    concept, kind = score["concept"], score["subspace"]
    if concept == WHOLE_SPACE:
        return WHOLE_SPACE if kind in ("", "all") else f"{WHOLE_SPACE} ({kind})"
    return concept if kind in ("", "all", "semantic", concept) else f"{concept} ({kind})"


def _r(table: pd.DataFrame) -> dict[str, Any]:
    values = table.r.to_numpy(dtype=np.float64)
    known = ~np.isnan(values)
    values, kept = values[known], table.kept.to_numpy(dtype=bool)[known]
    edges = edges_of(np.append(values, [0.0, 1.0]), BINS)
    null = table.null_r.to_numpy(dtype=np.float64)[known]
    null = null[~np.isnan(null)]
    return {
        "edges": numbers(edges),
        "before": counted(values, edges),
        "after": counted(values[kept], edges),
        "null_r": counted(null, edges) if len(null) else None,
    }


def _waterfall(pairs: int, removed: Any) -> list[dict[str, Any]]:
    steps = [{"step": "matched", "removed": 0, "left": pairs}]
    for one in removed:
        pairs -= int(one["pairs"])
        steps.append({"step": str(one["step"]), "removed": int(one["pairs"]), "left": pairs})
    return steps


def _firing(run: Run, key: CellKey, table: pd.DataFrame, most: int) -> dict[str, Any]:
    """How often both features of a pair fire; of many pairs some, the same ones each time."""
    chosen = table
    if len(table) > most:
        draw = derive(int(run.info.get("seed") or 0), "firings", key.text)
        chosen = table.iloc[np.sort(draw.choice(len(table), most, replace=False))]
    return {
        "firings_a": chosen.firings_a.astype(int).tolist(),
        "firings_b": chosen.firings_b.astype(int).tolist(),
        "r": numbers(chosen.r),
        "kept": chosen.kept.astype(bool).tolist(),
    }


def _scores(stored: Stored, key: CellKey, *, drawn: bool) -> list[dict[str, Any]]:
    names = ("measure", "null", "concept", "subspace")
    figures = ("value", "null_mean", "p", "q", "ceiling", "low", "high")
    of_nulls = stored.null_scores(key) if drawn else []
    by_row = {tuple(row[name] for name in names): scores for row, scores in of_nulls}
    found = []
    for row in stored.scores(key):
        scores = by_row.get(tuple(row[name] for name in names))
        finite = None if scores is None else scores[np.isfinite(scores)]
        value = float(row["value"])
        found.append(
            {
                **{name: str(row[name]) for name in names},
                "n": int(row["n"]),
                **{name: number(row[name]) for name in figures},
                "histogram": (
                    histogram(finite, edges_of(finite, 30)) if finite is not None and len(finite) else None
                ),
                "sentence": measure_words(str(row["measure"])).sentence(value) if np.isfinite(value) else "",
                "warnings": texts(row["warnings"]),
            }
        )
    return found
