"""A concept: a name and its keywords, with where they come from."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from congruence.concepts.words import fold, split_words
from congruence.errors import InputError, quoted

LONGEST_NAME, LONGEST_KEYWORD = 200, 500


@dataclass(frozen=True)
class Concept:
    """A named list of keywords.

    Attributes:
        name: what results and pictures call it.
        keywords: words or phrases, each once (compared case-folded), in the order given.
        source: where the list comes from.
        version: version of the list.
        provenance: how it was made, step by step, where it was built; empty otherwise.
    """

    name: str
    keywords: tuple[str, ...]
    source: str = "user"
    version: str = "1"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keywords)


def make_concept(name: str, keywords: Iterable[Any], *, source: str = "user", **details: Any) -> Concept:
    """A concept of checked keywords; one that repeats another in different case is dropped.

    >>> make_concept("Greetings", ["hello", "Hello", "good day"]).keywords
    ('hello', 'good day')

    Raises:
        InputError: the name or a keyword isn't text, a keyword holds no letter or digit, or none is left.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"a concept's name must be text, not {quoted(name)}: quote it")
    if len(name) > LONGEST_NAME or not all(map(_writable, name)):
        raise InputError(
            f"a concept is named {quoted(name)}: use at most {LONGEST_NAME} characters that can be written"
        )
    if isinstance(keywords, str | bytes | Mapping) or not isinstance(keywords, Iterable):
        raise InputError(
            f"concept {quoted(name)} needs a list of keywords, not {quoted(keywords)}: write [joy, glee]"
        )
    kept: dict[str, str] = {}
    for keyword in keywords:
        kept.setdefault(fold(_checked(name, keyword)), _checked(name, keyword))
    if not kept:
        raise InputError(f"concept {quoted(name)} has no keywords: give at least one")
    return Concept(name.strip(), tuple(kept.values()), source, **details)


def keyword_words(concept: Concept) -> list[tuple[str, ...]]:
    """The folded words of each keyword: one for "joy", two for "New York"."""
    return [split_words(keyword) for keyword in concept.keywords]


def union(name: str, concepts: Sequence[Concept]) -> Concept:
    """The keywords of several concepts under one name, shared ones once.

    >>> a, b = make_concept("A", ["day", "joy"]), make_concept("B", ["Joy", "sun"])
    >>> union("A+B", [a, b]).keywords
    ('day', 'joy', 'sun')
    """
    keywords = [keyword for concept in concepts for keyword in concept.keywords]
    sources = "; ".join(dict.fromkeys(concept.source for concept in concepts))
    return make_concept(name, keywords, source=sources)


def _checked(name: str, keyword: Any) -> str:
    what = f"concept {quoted(name)} has the keyword {quoted(keyword)}, which"
    if not isinstance(keyword, str):
        raise InputError(f"{what} isn't text: put it in quotes")
    if any(unicodedata.category(character) == "Cs" for character in keyword):
        raise InputError(f"{what} holds half a character: write it again")
    if len(keyword) > LONGEST_KEYWORD:
        raise InputError(f"{what} has {len(keyword):,} characters: use at most {LONGEST_KEYWORD}")
    plain = " ".join(keyword.split())
    if not split_words(plain):
        raise InputError(f"{what} has no letter or digit: remove it")
    return plain


def _writable(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) in {"Zs", "Mn"}
