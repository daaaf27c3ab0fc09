"""How a record shows itself: one short line in a terminal, a small escaped table in a notebook."""

import html
from collections.abc import Iterable
from typing import Any

MOST_ROWS = 40
"""Rows of a notebook's table; the rest is counted."""

_CELL = "text-align:left;padding:.15em .8em .15em 0;border:0"


def html_table(
    title: str, rows: Iterable[Iterable[Any]], *, heads: Iterable[Any] = (), most: int = MOST_ROWS
) -> str:
    """A title and a table as HTML, every text escaped.

    >>> html_table("a <b>", [("n", 3)], heads=("name", "value")).count("<b>")
    0
    """
    kept = [list(row) for row in rows]
    lines = [f"<div><strong>{shown(title)}</strong>", '<table style="border-collapse:collapse">']
    if named := "".join(f'<th style="{_CELL}">{shown(head)}</th>' for head in heads):
        lines.append(f"<thead><tr>{named}</tr></thead>")
    lines.append("<tbody>")
    lines += [_row(row) for row in kept[:most]]
    if len(kept) > most:
        lines.append(_row([f"… and {len(kept) - most:,} more"]))
    return "".join([*lines, "</tbody></table></div>"])


def shown(value: Any) -> str:
    """A value as HTML shows it: escaped, marks that change the direction of text made visible."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))
    return html.escape(text, quote=True)


def _row(cells: Iterable[Any]) -> str:
    joined = "".join(f'<td style="{_CELL}">{shown(cell)}</td>' for cell in cells)
    return f"<tr>{joined}</tr>"
