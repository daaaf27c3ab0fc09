"""The report's section on features with and without a counterpart."""

from collections import Counter
from typing import Any

from congruence.run.results import Run
from congruence.significance.verdicts import NOT_SHARED, REASONS, SHARED, UNTOLD
from congruence.view.numbers import visible_list
from congruence.view.shared import shared_words, unshared
from congruence.view.stored import Stored
from congruence.view.views import records, where

SHOWN = 12
_AROUND = 8
"""Tokens before the strongest one that a row shows, and half as many after it."""


def shared_section(run: Run) -> dict[str, Any] | None:
    """Sentences, shares by layer and concept, and the strongest features that aren't shared."""
    sentences = shared_words(run)
    if not sentences:
        return None
    stored = Stored(run)
    rows = [{"side": side, **row} for side in ("a", "b") for row in unshared(stored, side, shown=SHOWN)]
    for row in rows:
        row["tokens"] = Counter(visible_list(row["top_tokens"]))
        row["text"] = [_text(one) for one in row["contexts"] or []]
    return {
        "sentences": sentences,
        "layers": _shares(run, "all"),
        "concepts": [line for concept in _concepts(run) for line in _shares(run, concept)],
        "rows": rows,
        "reasons": REASONS,
    }


def _concepts(run: Run) -> list[str]:
    names = dict.fromkeys(one["concept"] for one in run.info["verdicts"]["shares"])
    return [name for name in names if name != "all"]


def _shares(run: Run, concept: str) -> list[dict[str, Any]]:
    """A line a side and layer: its features, and each verdict's share with its interval."""
    table = run.shared(concept=concept)
    found = []
    for side in ("a", "b"):
        for layer in sorted(set(table.layer[table.side == side])):
            mine = where(table, (table.side == side) & (table.layer == layer))
            told = {row["verdict"]: row for row in records(mine)}
            line = {"side": side, "layer": int(layer), "features": told[SHARED]["features"]}
            line["concept"] = "" if concept == "all" else concept
            found.append(line | {"shares": [told[name] for name in (SHARED, NOT_SHARED, UNTOLD)]})
    return found


def _text(context: dict[str, Any]) -> dict[str, str]:
    """The text around the strongest token: before it, the token, after it."""
    peak = context["peak"]
    tokens = [str(token) for token in context["tokens"]]
    return {
        "before": "".join(tokens[max(0, peak - _AROUND) : peak]),
        "peak": tokens[peak],
        "after": "".join(tokens[peak + 1 : peak + 1 + _AROUND // 2]),
    }
