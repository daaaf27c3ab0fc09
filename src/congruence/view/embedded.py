"""A run's answers as one JSON value for a report's file: what fits, the most interesting first."""

import json
from typing import Any

from congruence.run.results import Run
from congruence.view.answers import Answers
from congruence.view.cell import FIRINGS
from congruence.view.cells import CellKey
from congruence.view.matches import INTEREST, Query, row_of
from congruence.view.views import records

BUDGET = 12 << 20
ROWS, PAIRS = 150, 6
"""Matches and pairs of a cell; fewer where the grid is large."""
CELLS, PAIRS_READ = 150, 300_000
"""Cells that are shown with their pairs, and pairs that are read for them: the best layer pairs."""
ROWS_IN_ALL, PAIRS_IN_ALL, FIRINGS_IN_ALL = 10_000, 200, 60_000
"""Matches, pairs with their text, and points of scatters over all cells: a report is made in seconds."""
MAPS = 4
"""Cells with a map: the best layer pairs."""
UNMATCHED = 12
"""Cells with features without a counterpart, and such features of each side."""


def embedded(run: Run, budget_bytes: int = BUDGET) -> dict[str, Any]:
    """The blob that a report carries; see `Embedded` in the pages' types.

    Every cell comes with its scores, as many as can be read in seconds with their pairs, best layer pairs
    first; then the most interesting matches of these, then pairs with their text from the best layer pair
    down, then maps and features without a counterpart, until the budget is spent.

    Args:
        run: a finished run.
        budget_bytes: of the JSON text, about; the overview and the concepts are always whole.
    """
    answers = Answers(run, source="embedded")
    first = answers.overview()
    blob: dict[str, Any] = {
        "overview": first,
        "cells": {},
        "matches": {},
        "pairs": {},
        "maps": {},
        "concepts": answers.concepts(),
        "unmatched": {},
    }
    budget = _Budget(budget_bytes - size(blob))
    keys = _ordered(first)
    whole = _read_in_seconds(answers, keys)
    answers.ahead(whole)
    for key in keys:
        firings = min(FIRINGS, FIRINGS_IN_ALL // max(len(whole), 1))
        told = answers.cell(key, firings=firings) if key in whole else answers.brief(key)
        if not budget.take(blob["cells"], key.text, told):
            break
    rows = max(10, min(ROWS, ROWS_IN_ALL // max(len(whole), 1)))
    pairs = max(1, min(PAIRS, PAIRS_IN_ALL // max(len(whole), 1)))
    chosen: dict[CellKey, list[dict[str, Any]]] = {}
    for key in whole:
        found, shown = _most_interesting(answers, key, rows, pairs)
        if not budget.take(blob["matches"], key.text, found):
            break
        chosen[key] = shown
    for key, wanted in chosen.items():
        if not budget.left:
            break
        for row in wanted:
            a, b = row["feature_a"], row["feature_b"]
            row["has_pair"] = budget.take(blob["pairs"], f"{key.text}|{a}|{b}", answers.pair(key, a, b))
        if len(blob["maps"]) < MAPS:
            budget.take(blob["maps"], key.text, answers.map(key))
        for side in ("a", "b") if len(blob["unmatched"]) < 2 * UNMATCHED else ():
            left = answers.unmatched(key, side, shown=UNMATCHED, in_text=4)
            budget.take(blob["unmatched"], f"{key.text}|{side}", left)
    held = first["holds"]
    first["holds"] = {
        **held,
        "contexts": held["contexts"] and bool(blob["pairs"]),
        "maps": held["maps"] and bool(blob["maps"]),
        "unmatched": held["unmatched"] and bool(blob["unmatched"]),
    }
    return blob


def size(value: Any) -> int:
    """Bytes of a value as JSON text."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


class _Budget:
    """Bytes that are left; what doesn't fit isn't taken, and nothing after it."""

    def __init__(self, left: int) -> None:
        self.left = max(left, 0)

    def take(self, into: dict[str, Any], name: str, value: Any) -> bool:
        needed = size(value) + len(name) + 6
        if needed > self.left:
            self.left = 0
            return False
        self.left -= needed
        into[name] = value
        return True


def _ordered(first: dict[str, Any]) -> list[CellKey]:
    """Every cell: the comparison itself before controls, best layer pairs of the leading measure first."""
    lead = first["grids"][first["headline"]]
    at = {
        (a, b): lead["values"]["value"][i][j]
        for i, a in enumerate(lead["layers_a"])
        for j, b in enumerate(lead["layers_b"])
    }

    def rank(key: CellKey) -> tuple[Any, ...]:
        value = at.get((key.layer_a, key.layer_b))
        return key.control != "none", key.control, -(value if value is not None else -1.0), key

    return sorted((CellKey.of(one) for one in first["cells"]), key=rank)


def _read_in_seconds(answers: Answers, keys: list[CellKey]) -> list[CellKey]:
    """The first of some cells, whose pairs can all be read."""
    if not answers.run.holds("matches"):
        return keys[:CELLS]
    read, found = 0, []
    for key in keys[:CELLS]:
        read += int(answers.stored.summary(key)["pairs_before"])
        if found and read > PAIRS_READ:
            break
        found.append(key)
    return found


def _most_interesting(
    answers: Answers, key: CellKey, rows: int, pairs: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Matches of a cell: three quarters by surprise, the others those that filters took; and rows to show."""
    matches = answers.pairs_of(key)
    _, kept = matches.find(Query(limit=rows))
    _, removed = matches.find(Query(limit=max(rows - len(kept), rows // 4), kept="removed"))
    shown = [row_of(row, has_pair=False) for table in (kept, removed) for row in records(table)]
    total = len(matches.table)
    found = {"total": total, "available": len(shown), "all": total, "rows": shown, "interest_words": INTEREST}
    return found, [row for row in shown if row["kept"]][:pairs]
