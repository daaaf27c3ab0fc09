"""Which features are shared, in words, and the strongest that aren't, with their text."""

from typing import Any

import numpy as np

from congruence.run.results import Run
from congruence.significance.verdicts import NOT_SHARED, REASONS, SHARED, UNTOLD
from congruence.view.contexts import contexts, strongest
from congruence.view.plain import number, texts
from congruence.view.stored import Stored
from congruence.view.views import records, where

SHOWN, PEAKS = 20, 2


def shared_words(run: Run) -> list[str]:
    """A sentence a side: the share with a counterpart, without one, and why others can't be told."""
    if not (run.info.get("verdicts") or {}).get("shares"):
        return []
    table, features = run.shared(), run.columns_of("features", ["side", "verdict", "reason"])
    found = []
    for side, other in (("a", "b"), ("b", "a")):
        mine = where(table, (table.side == side) & (table.layer == -1))
        told = {row["verdict"]: row for row in records(mine)}
        if not told or not told[SHARED]["features"]:
            continue
        sentence = (
            f"{_share(told[SHARED])} of {run.side_name(side)}'s {told[SHARED]['features']:,} features have a "
            f"counterpart in {run.side_name(other)}, {_share(told[NOT_SHARED])} demonstrably don't"
        )
        untold = where(features, (features.side == side) & (features.verdict == UNTOLD))
        if len(untold):
            reason = str(untold.reason.value_counts().index[0])
            sentence += (
                f", {_percent(told[UNTOLD]['share'])} can't be told: mostly, {REASONS.get(reason, reason)}"
            )
        found.append(sentence + ".")
    return found


def _share(row: Any) -> str:
    return f"{_percent(row['share'])} ({100 * row['low']:.0f}–{100 * row['high']:.0f})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def unshared(stored: Stored, side: str, *, shown: int = SHOWN) -> list[dict[str, Any]]:
    """The strongest features of a side that have no counterpart, with text that they fire on.

    Strongest as where a cell's features without a partner are shown: the largest activation times the
    logarithm of one more than how often it fires.

    Args:
        stored: what the run keeps; without activations there is no text.
        side: "a" or "b".
        shown: at most so many.

    Returns:
        Rows of features.parquet with `max`, `top_tokens` and `contexts` (tokens, values, peak) or None.
    """
    table = stored.features
    mine = where(table, (table.side == side) & (table.verdict == NOT_SHARED)).reset_index(drop=True)
    largest = np.ones(len(mine))
    for layer in mine.layer.unique().tolist():
        arrays = stored.layer(_source(side, layer))
        at = (mine.layer == layer).to_numpy()
        if arrays is not None:
            largest[at] = arrays["max"][mine.feature[at]]
    strength = largest * np.log1p(mine.firings.to_numpy(dtype=np.float64))
    order = np.lexsort((mine.feature, mine.layer, -strength))[:shown]
    rows = records(mine.iloc[order])
    return [
        {name: _plain(value) for name, value in row.items()}
        | {"max": number(largest[place]), "contexts": _contexts(stored, side, row)}
        for place, row in zip(order.tolist(), rows, strict=True)
    ]


def _contexts(stored: Stored, side: str, row: Any) -> list[dict[str, Any]] | None:
    text, columns = stored.text, stored.columns(_source(side, int(row["layer"])))
    if text is None or columns is None:
        return None
    column = columns[int(row["feature"])]
    found = contexts(text, side, strongest(text, *column, shown=PEAKS), {"values": column})
    return [{name: one[name] for name in ("tokens", "values", "peak")} for one in found]


def _source(side: str, layer: int) -> str:
    return f"{side}/real/{int(layer)}"


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return texts(value)
    return value if isinstance(value, str) else number(value)
