"""How numbers and tokens are written: the same in pictures, the report and the terminal."""

import math
import unicodedata
from collections.abc import Iterable

from congruence.significance.correction import ALPHA  # a layer pair is marked where its q is at most this

__all__ = ["ALPHA", "format_count", "format_p", "short_count", "visible", "visible_list"]

_VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
MAX_LENGTH = 32


def format_p(value: float) -> str:
    """A p or q: never rounded to 0, and never across 0.05.

    >>> format_p(1 / 1001), format_p(0.0496), format_p(0.3), format_p(1 / 100_001)
    ('0.001', '0.050', '0.30', '1e-05')
    """
    if not math.isfinite(value):
        return "–"
    if value >= 0.0995:
        return f"{value:.2f}"
    if value < 0.0005:
        return f"{value:.1g}"
    text = f"{value:.3f}"
    return text if (value <= ALPHA) == (float(text) <= ALPHA) else f"{value:.4f}"


def format_count(value: float) -> str:
    """A count with thousands separated.

    >>> format_count(16384), format_count(float("nan"))
    ('16,384', '–')
    """
    return f"{round(value):,}" if math.isfinite(value) else "–"


def short_count(value: float) -> str:
    """A count in at most five characters, for a cell of a heat map.

    >>> [short_count(n) for n in (7, 9_999, 16_384, 250_000, 3_200_000)]
    ['7', '9,999', '16.4k', '250k', '3.2M']
    """
    for limit, divisor, decimals, unit in ((1e4, 1, 0, ""), (1e5, 1e3, 1, "k"), (1e6, 1e3, 0, "k")):
        if not math.isfinite(value) or value < limit:
            return "–" if not math.isfinite(value) else f"{value / divisor:,.{decimals}f}{unit}"
    return f"{value / 1e6:.1f}M"


def visible(token: str) -> str:
    r"""One token on one line; characters without a glyph are written as escapes.

    >>> visible(" king"), visible("\n\n"), visible("a\u200bb"), visible("")
    ('␣king', '⏎⏎', 'a\\u200bb', '∅')
    """
    text = "".join(_character(character) for character in token) or "∅"
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"


def visible_list(tokens: Iterable[str | None] | None) -> list[str]:
    """Each token made visible; no list gives none."""
    return [] if tokens is None else [visible(str(token)) for token in tokens if token is not None]


def _character(character: str) -> str:
    if character in _VISIBLE:
        return _VISIBLE[character]
    if unicodedata.category(character) in _HIDDEN:
        return character.encode("unicode_escape", "backslashreplace").decode()
    return character
