"""The report's tables and numbers, ready for the template."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from congruence.run.results import Run
from congruence.view.numbers import visible_list
from congruence.view.verdict import chance_words, interval_words, pair_name, tally, unanswered
from congruence.view.views import MeasureView, headline, records, where
from congruence.view.words import measure_words

TOP_MATCHES = 25
"""Matched feature pairs that the report shows."""


def lead_numbers(run: Run, view: MeasureView) -> dict[str, Any]:
    """The numbers that stand in large type."""
    best = view.best
    return {
        "title": measure_words(view.measure).title,
        "best": best,
        "where": "" if best is None else pair_name(run, best),
        "interval": "" if best is None else interval_words(best),
        "ceiling": float("nan") if best is None else view.ceiling_at(best),
        "unanswered": unanswered(view),
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
        numbers = {
            "score": row.value, "null": row.null_mean, "low": row.null_q05, "high": row.null_q95,
            "from": row.low, "to": row.high, "ceiling": view.ceiling_at(row),
        }  # fmt: skip
        places = {name: _place(value) for name, value in numbers.items()}
        title = measure_words(view.measure).title + ("" if view.first_null else f", null {view.null}")
        found.append({"title": title, "numbers": numbers, "places": places, "q": row.q,
                      "interval": interval_words(row)})  # fmt: skip
    return found


def _place(value: float) -> float | None:
    return round(100 * min(max(float(value), 0.0), 1.0), 2) if np.isfinite(value) else None


def measure_section(view: MeasureView, maps: list[dict[str, Any]]) -> dict[str, Any]:
    """One measure: what it means, its heat maps, and what its best score rests on."""
    note = measure_words(view.measure)
    title = note.title if view.first_null else f"{note.title}, null {view.null}"
    best = view.best
    doubts = [texts[0] for texts in view.data["warnings"] if texts]
    return {
        "doubts": len(doubts), "doubt": doubts[0] if doubts else "", "scores": len(view.data),
        "id": view.slug, "label": view.measure, "title": title, "note": note, "maps": maps,
        "tally": tally(view),
        "rests_on": [] if best is None else scalars(best), "best": best,
    }  # fmt: skip


def scalars(row: pd.Series) -> list[tuple[str, str]]:
    """What a score rests on: its interval, and the plain numbers and words among its details."""
    kept = [(name, value) for name, value in row.details.items() if isinstance(value, (int, float, str))]
    interval = [("interval", words.removeprefix("95% interval "))] if (words := interval_words(row)) else []
    return interval + [(n, f"{v:.4g}" if isinstance(v, float) else str(v)) for n, v in kept]


def removed_by_filters(run: Run) -> dict[str, Any]:
    """Pairs that each filter removed, summed over the real layer pairs, in order."""
    removed: Counter[str] = Counter()
    for steps in run.real_cells.removed:
        for entry in steps:
            removed[entry["step"]] += entry["pairs"]
    before, after = run.pair_counts
    return {"before": before, "after": after, "steps": list(removed.items())}


def cell_table(run: Run, views: Sequence[MeasureView]) -> dict[str, Any]:
    """One row a layer pair: pairs, correlations, and score with q of every measure."""
    leading = [view for view in views if view.first_null]
    scores = [{(row["layer_a"], row["layer_b"]): row for row in records(view.rows)} for view in leading]
    cells = records(run.real_cells.sort_values(["layer_a", "layer_b"]))
    rows = [(cell, [found.get((cell["layer_a"], cell["layer_b"])) for found in scores]) for cell in cells]
    lead = leading.index(headline(views)) if views else 0
    return {"measures": [view.measure for view in leading], "rows": rows, "lead": lead}


def top_matches(run: Run, lead: MeasureView | None) -> dict[str, Any] | None:
    """The kept pairs with the highest r at the best layer pair, tokens made visible."""
    if lead is None or lead.best is None:
        return None
    table = run.matches_of(int(lead.best.layer_a), int(lead.best.layer_b))
    kept = where(table, table.kept.astype(bool))
    shown = records(kept.sort_values("r", ascending=False, kind="stable").head(TOP_MATCHES))
    rows = []
    for pair in shown:
        tokens = {side: Counter(visible_list(pair[f"top_tokens_{side}"])) for side in ("a", "b")}
        rows.append({"pair": pair, "tokens": tokens, "shared": set(tokens["a"]) & set(tokens["b"])})
    return {"where": pair_name(run, lead.best), "rows": rows, "kept": len(kept), "matched": len(table)}


def warnings_of(run: Run) -> list[tuple[str, str, int]]:
    """(measure, an example, number of scores) of every kind of warning, the most frequent first.

    Warnings that differ in their numbers only are of one kind.
    """
    kinds: dict[tuple[str, str], str] = {}
    counted: Counter[tuple[str, str]] = Counter()
    for measure, texts in zip(run.results.measure, run.results.warnings, strict=True):
        for text in texts:
            kind = (str(measure), re.sub(r"\d[\d.,]*", "#", text))
            kinds.setdefault(kind, text)
            counted[kind] += 1
    return [(kind[0], kinds[kind], number) for kind, number in counted.most_common()]
