"""The report's tables and numbers, ready for the template."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from congruence.report.measures import note_for
from congruence.report.read import FinishedRun, records, where
from congruence.report.tokens import visible_list
from congruence.report.verdict import chance_words, pair_name
from congruence.report.views import MeasureView, headline

TOP_MATCHES = 25
"""Matched feature pairs that the report shows."""


def lead_numbers(run: FinishedRun, view: MeasureView) -> dict[str, Any]:
    """The numbers that stand in large type."""
    best = view.best
    ceilings = () if best is None else view.ceilings_near(int(best.layer_a), int(best.layer_b))
    return {
        "title": note_for(view.measure).title,
        "best": best,
        "where": "" if best is None else pair_name(run, best),
        "ceiling": float(np.mean([c.value for c in ceilings])) if ceilings else float("nan"),
        "significant": len(view.significant),
        "tested": len(view.tested),
        "chance": chance_words(view),
    }


def strips(views: Sequence[MeasureView], best: pd.Series) -> list[dict[str, Any]]:
    """Null, score and ceiling of every measure at one layer pair, as places on a line from 0 to 1."""
    found = []
    for view in views:
        rows = where(view.rows, (view.rows.layer_a == best.layer_a) & (view.rows.layer_b == best.layer_b))
        if rows.empty or not np.isfinite(rows.value.iloc[0]):
            continue
        row = rows.iloc[0]
        ceilings = [c.value for c in view.ceilings_near(int(best.layer_a), int(best.layer_b))]
        numbers = {"score": row.value, "null": row.null_mean, "low": row.null_q05, "high": row.null_q95,
                   "ceiling": float(np.mean(ceilings)) if ceilings else float("nan")}  # fmt: skip
        places = {name: _place(value) for name, value in numbers.items()}
        title = note_for(view.measure).title + ("" if view.first_null else f", null {view.null}")
        found.append({"title": title, "numbers": numbers, "places": places, "p": row.p, "q": row.q})
    return found


def _place(value: float) -> float | None:
    return round(100 * min(max(float(value), 0.0), 1.0), 2) if np.isfinite(value) else None


def measure_section(view: MeasureView, maps: list[dict[str, Any]]) -> dict[str, Any]:
    """One measure: what it means, its heat maps, and what its best score rests on."""
    note = note_for(view.measure)
    title = note.title if view.first_null else f"{note.title}, null {view.null}"
    best = view.best
    doubts = [text for text in view.rows.warnings if text]
    return {
        "doubts": len(doubts), "doubt": doubts[0] if doubts else "", "scores": len(view.rows),
        "id": view.slug, "label": view.measure, "title": title, "note": note, "maps": maps,
        "significant": len(view.significant), "tested": len(view.tested), "draws": view.draws,
        "null": view.null, "chance": chance_words(view),
        "rests_on": [] if best is None else scalars(best.details), "best": best,
    }  # fmt: skip


def scalars(details: Any) -> list[tuple[str, str]]:
    """The plain numbers and words among a score's details."""
    kept = ((name, value) for name, value in _json(details).items() if isinstance(value, (int, float, str)))
    return [(name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in kept]


def removed_by_filters(run: FinishedRun) -> dict[str, Any]:
    """Pairs that each filter removed, summed over the real layer pairs, in order."""
    removed: Counter[str] = Counter()
    for text in run.real_cells().removed:
        removed.update(_json(text))
    before, after = run.pair_counts()
    return {"before": before, "after": after, "steps": list(removed.items())}


def cell_table(run: FinishedRun, views: Sequence[MeasureView]) -> dict[str, Any]:
    """One row a layer pair: pairs, correlations, and score with q of every measure."""
    leading = [view for view in views if view.first_null]
    scores = [{(row["layer_a"], row["layer_b"]): row for row in records(view.rows)} for view in leading]
    cells = records(run.real_cells().sort_values(["layer_a", "layer_b"]))
    rows = [(cell, [found.get((cell["layer_a"], cell["layer_b"])) for found in scores]) for cell in cells]
    lead = leading.index(headline(views)) if views else 0
    return {"measures": [view.measure for view in leading], "rows": rows, "lead": lead}


def top_matches(run: FinishedRun, lead: MeasureView | None) -> dict[str, Any] | None:
    """The kept pairs with the highest r at the best layer pair, tokens made visible."""
    if lead is None or lead.best is None:
        return None
    table = run.matches(int(lead.best.layer_a), int(lead.best.layer_b))
    kept = where(table, table.kept.astype(bool))
    shown = records(kept.sort_values("r", ascending=False, kind="stable").head(TOP_MATCHES))
    rows = []
    for pair in shown:
        tokens = {side: Counter(visible_list(pair[f"top_tokens_{side}"])) for side in ("a", "b")}
        rows.append({"pair": pair, "tokens": tokens, "shared": set(tokens["a"]) & set(tokens["b"])})
    return {"where": pair_name(run, lead.best), "rows": rows, "kept": len(kept), "matched": len(table)}


def warnings_of(run: FinishedRun) -> list[tuple[str, str, int]]:
    """(measure, an example, number of scores) of every kind of warning, the most frequent first.

    Warnings that differ in their numbers only are of one kind.
    """
    table = where(run.results, run.results.warnings != "")
    kinds: dict[tuple[str, str], str] = {}
    counted: Counter[tuple[str, str]] = Counter()
    for measure, text in zip(table.measure, table.warnings, strict=True):
        kind = (str(measure), re.sub(r"\d[\d.,]*", "#", text))
        kinds.setdefault(kind, text)
        counted[kind] += 1
    return [(kind[0], kinds[kind], number) for kind, number in counted.most_common()]


def _json(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
