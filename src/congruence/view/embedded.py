"""A run's answers as one JSON value for a report's file: what fits, the most interesting first."""

import json
from dataclasses import dataclass
from typing import Any

from congruence.run.results import Run
from congruence.view.answers import Answers
from congruence.view.cell import FIRINGS
from congruence.view.cells import CellKey
from congruence.view.json_text import list_of, mapping_of, size_of, text_of
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
    """The blob that a report carries; see `Embedded` in the pages' types, and `embedded_text`."""
    return json.loads(embedded_text(run, budget_bytes))


def embedded_text(run: Run, budget_bytes: int = BUDGET) -> str:
    """The same as JSON in ASCII: a report is megabytes of it.

    Every cell comes with its scores, as many as can be read in seconds with their pairs, best layer pairs
    first; then the most interesting matches of these, then pairs with their text from the best layer pair
    down, then maps and features without a counterpart, until the budget is spent.

    Args:
        run: a finished run.
        budget_bytes: of the JSON text in UTF-8, about; the overview and the concepts are always whole.
    """
    answers = Answers(run, source="embedded")
    first = answers.overview()
    overview = {name: text_of(value) for name, value in first.items()}
    concepts = text_of(answers.concepts())
    budget = _Budget(budget_bytes - size_of(_blob(overview, {}, concepts)))
    keys = _ordered(first)
    whole = _read_in_seconds(answers, keys)
    answers.ahead(whole)
    cells: dict[str, str] = {}
    for key in keys:
        firings = min(FIRINGS, FIRINGS_IN_ALL // max(len(whole), 1))
        told = answers.cell(key, firings=firings) if key in whole else answers.brief(key)
        if not budget.take(cells, key.text, text_of(told)):
            break
    chosen = _matches(answers, whole, budget)
    found: dict[str, dict[str, str]] = {"pairs": {}, "maps": {}, "unmatched": {}}
    for key, mine in chosen.items():
        if not budget.left:
            break
        _in_text(answers, key, mine, found, budget)
    held = first["holds"]
    overview["holds"] = text_of(
        {
            **held,
            "contexts": held["contexts"] and bool(found["pairs"]),
            "maps": held["maps"] and bool(found["maps"]),
            "unmatched": held["unmatched"] and bool(found["unmatched"]),
        }
    )
    matches = {key.text: mine.text for key, mine in chosen.items()}
    return _blob(overview, {"cells": cells, "matches": matches, **found}, concepts)


def _blob(overview: dict[str, str], parts: dict[str, dict[str, str]], concepts: str) -> str:
    names = ("cells", "matches", "pairs", "maps", "concepts", "unmatched")
    texts = {name: concepts if name == "concepts" else mapping_of(parts.get(name, {})) for name in names}
    return mapping_of({"overview": mapping_of(overview), **texts})


def _matches(answers: Answers, whole: list[CellKey], budget: "_Budget") -> dict[CellKey, "_Matches"]:
    """The most interesting matches of cells, as many as there is room for."""
    rows = max(10, min(ROWS, ROWS_IN_ALL // max(len(whole), 1)))
    pairs = max(1, min(PAIRS, PAIRS_IN_ALL // max(len(whole), 1)))
    chosen: dict[CellKey, _Matches] = {}
    for key in whole:
        found = _most_interesting(answers, key, rows, pairs)
        if not budget.take({}, key.text, found.text):
            break
        chosen[key] = found
    return chosen


def _in_text(
    answers: Answers, key: CellKey, mine: "_Matches", found: dict[str, dict[str, str]], budget: "_Budget"
) -> None:
    """Pairs of a cell with their text, its map and its features without a counterpart."""
    for number, row in mine.shown:
        a, b = row["feature_a"], row["feature_b"]
        told = text_of(answers.pair(key, a, b))
        has_pair = budget.take(found["pairs"], f"{key.text}|{a}|{b}", told)
        mine.rows[number] = text_of({**row, "has_pair": has_pair})
    if len(found["maps"]) < MAPS:
        budget.take(found["maps"], key.text, text_of(answers.map(key)))
    for side in ("a", "b") if len(found["unmatched"]) < 2 * UNMATCHED else ():
        left = answers.unmatched(key, side, shown=UNMATCHED, in_text=4)
        budget.take(found["unmatched"], f"{key.text}|{side}", text_of(left))


def size(value: Any) -> int:
    """Bytes of a value as JSON text in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


class _Budget:
    """Bytes that are left; what doesn't fit isn't taken, and nothing after it."""

    def __init__(self, left: int) -> None:
        self.left = max(left, 0)

    def take(self, into: dict[str, str], name: str, text: str) -> bool:
        needed = size_of(text) + len(name) + 6
        if needed > self.left:
            self.left = 0
            return False
        self.left -= needed
        into[name] = text
        return True


@dataclass(frozen=True)
class _Matches:
    """The matches of a cell that a report holds.

    Attributes:
        told: what is said of them all.
        rows: each as JSON.
        shown: (index among the rows, row) of those whose text is to be shown.
    """

    told: dict[str, Any]
    rows: list[str]
    shown: list[tuple[int, dict[str, Any]]]

    @property
    def text(self) -> str:
        """All of it as JSON."""
        parts = {name: text_of(value) for name, value in self.told.items()}
        return mapping_of({**parts, "rows": list_of(self.rows), "interest_words": text_of(INTEREST)})


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


def _most_interesting(answers: Answers, key: CellKey, rows: int, pairs: int) -> _Matches:
    """Matches of a cell: three quarters by surprise, the others those that filters took; and rows to show."""
    matches = answers.pairs_of(key)
    _, kept = matches.find(Query(limit=rows))
    _, removed = matches.find(Query(limit=max(rows - len(kept), rows // 4), kept="removed"))
    found = [row_of(row, has_pair=False) for table in (kept, removed) for row in records(table)]
    total = len(matches.table)
    told = {"total": total, "available": len(found), "all": total}
    shown = [(number, row) for number, row in enumerate(found) if row["kept"]][:pairs]
    return _Matches(told, [text_of(row) for row in found], shown)
