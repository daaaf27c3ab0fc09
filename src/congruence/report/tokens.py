"""Tokens as a reader can see them: spaces, newlines and what has no glyph made visible."""

import unicodedata
from collections.abc import Iterable

_VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
MAX_LENGTH = 32


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
