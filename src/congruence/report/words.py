"""What measures and nulls are called. The words stand with the measure and the null; here they are read."""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from congruence.report import fallback_words
from congruence.report.numbers import format_score


@dataclass(frozen=True)
class MeasureWords:
    """A measure in words, for a reader who hasn't met it.

    Attributes:
        title: name in running text, options included.
        reading: what it asks of the two spaces.
        beware: when not to believe it.
        sentence: a score in words, to stand after "…: ".
    """

    title: str
    reading: str
    beware: str
    sentence: Callable[[float], str]


@dataclass(frozen=True)
class NullWords:
    """A null in words.

    Attributes:
        title: short, for captions.
        hypothesis: what would be true if nothing but chance were at work; "" where it isn't installed.
        in_words: begins a sentence on the scores of its draws.
    """

    title: str
    hypothesis: str
    in_words: str


@lru_cache(maxsize=256)
def measure_words(label: str) -> MeasureWords:
    """The words for a measure's label; one that isn't installed here goes by its name.

    >>> measure_words("svcca(n_components=n/10)").title
    'SVCCA, n components: n/10'
    """
    name, options = _parsed(label)
    entry = _measure(name, options)
    if entry is None:
        unknown = "This measure isn't installed here, so it can't be described.", "See its own documentation."
        return MeasureWords(label, *unknown, _plainly)
    shown = [f"{key.replace('_', ' ')}: {value}" for key, value in options.items()]
    return MeasureWords(", ".join([entry.title, *shown]), entry.reading, entry.beware, entry.sentence)


@lru_cache(maxsize=64)
def null_words(name: str) -> NullWords:
    """The words for a null; one that isn't installed here goes by its name."""
    from congruence.nulls import NULLS

    entry = NULLS.get(name) if name in NULLS.names() else None
    title, hypothesis, in_words = fallback_words.NULLS.get(name, (name, "", f"under the null {name!r}"))
    return NullWords(
        getattr(entry, "title", title),
        getattr(entry, "hypothesis", hypothesis),
        getattr(entry, "in_words", in_words),
    )


def _measure(name: str, options: dict[str, Any]) -> Any:
    """The measure with its options, or what describes it; None where nothing does."""
    from congruence.metrics import METRICS

    entry: Any = METRICS.get(name) if name in METRICS.names() else None
    if not hasattr(entry, "title"):
        note = fallback_words.NOTES.get(name)
        return replace(note, sentence=_plainly) if note and "at" in options else note
    try:
        bound = entry.bind(**options) if options else entry
    except (AttributeError, TypeError, ValueError):
        return entry
    return bound if hasattr(bound, "title") else entry


def _parsed(label: str) -> tuple[str, dict[str, Any]]:
    """A label's name and options."""
    name, _, inside = label.partition("(")
    options = re.split(r",\s*(?=\w+=)", inside.removesuffix(")")) if inside else []
    parts = (option.partition("=") for option in options)
    return name, {key.strip(): _literal(value) for key, _, value in parts}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _plainly(value: float) -> str:
    return f"the score is {format_score(value)}"
