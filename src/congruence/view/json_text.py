"""JSON put together from the texts of its parts, so that each part is written once."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|.)")


def text_of(value: Any) -> str:
    """A value as JSON in ASCII, without spaces; what isn't finite is refused."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def mapping_of(parts: Mapping[str, str]) -> str:
    """A mapping of names to values that are JSON texts already."""
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in parts.items()) + "}"


def list_of(parts: Iterable[str]) -> str:
    """A list of values that are JSON texts already."""
    return "[" + ",".join(parts) + "]"


def size_of(text: str) -> int:
    """Bytes of a JSON text in ASCII, were its characters written in UTF-8.

    >>> size_of(text_of("é")), size_of(text_of("e"))
    (4, 3)
    """
    if "\\u" not in text:
        return len(text)
    return len(text) - sum(_saved(int(code, 16)) for code in _ESCAPE.findall(text) if code)


def _saved(code: int) -> int:
    """Bytes that an escape of six takes more than its character; half of a pair counts half."""
    if code < 0x20:
        return 0  # escaped in either way
    if code < 0x80:
        return 5
    return 4 if code < 0x800 or 0xD800 <= code < 0xE000 else 3
