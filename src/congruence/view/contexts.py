"""Windows of text around the tokens on which features fire."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from congruence.view.columns import values_at
from congruence.view.plain import rounded
from congruence.view.stored import Text

BEFORE, AFTER = 14, 6
SHOWN = 6
_TRIED = 40
"""Peaks looked at for each that is shown, to show different text."""

Column = tuple[np.ndarray, np.ndarray]


def strongest(text: Text, rows: np.ndarray, values: np.ndarray, *, shown: int = SHOWN) -> list[int]:
    """Rows with the largest values, each of another document while there are any, no text twice.

    Args:
        text: of the rows.
        rows, values: of a feature.
        shown: at most so many.
    """
    order = np.lexsort((rows, -values))[: shown * _TRIED]
    documents = np.searchsorted(text.document_offsets, rows[order], side="right")
    first = np.zeros(len(order), dtype=bool)
    first[np.unique(documents, return_index=True)[1]] = True
    found: list[int] = []
    seen: set[tuple[str, ...]] = set()
    for row in [*rows[order[first]].tolist(), *rows[order[~first]].tolist()]:
        start, stop, _ = text.window(row, 4, 2)
        around = tuple(text.tokens("a", start, stop))
        if around not in seen:
            seen.add(around)
            found.append(int(row))
        if len(found) == shown:
            break
    return found


def contexts(text: Text, side: str, peaks: Sequence[int], columns: dict[str, Column]) -> list[dict[str, Any]]:
    """The text around some rows, with the activations of features on it.

    Args:
        text: of the rows.
        side: whose tokens.
        peaks: rows.
        columns: name in the answer -> rows and values of a feature.
    """
    found = []
    for peak in peaks:
        start, stop, document = text.window(peak, BEFORE, AFTER)
        found.append(
            {
                "document": document,
                "position": int(peak),
                "tokens": text.tokens(side, start, stop),
                **{name: rounded(values_at(one, start, stop)) for name, one in columns.items()},
                "peak": int(peak) - start,
            }
        )
    return found
