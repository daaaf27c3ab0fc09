"""A concept: a name and its keywords, with where they come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from congruence.concepts.words import fold, split_words
from congruence.errors import InputError


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
        raise InputError(f"a concept's name must be text, not {name!r}: quote it")
    if isinstance(keywords, str | bytes) or not isinstance(keywords, Iterable):
        raise InputError(f"concept {name!r} needs a list of keywords, not {keywords!r}: write [joy, glee]")
    kept: dict[str, str] = {}
    for keyword in keywords:
        kept.setdefault(fold(_checked(name, keyword)), _checked(name, keyword))
    if not kept:
        raise InputError(f"concept {name!r} has no keywords: give at least one")
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
    if not isinstance(keyword, str):
        raise InputError(f"concept {name!r} has the keyword {keyword!r}, which isn't text: put it in quotes")
    plain = " ".join(keyword.split())
    if not split_words(plain):
        raise InputError(
            f"concept {name!r} has the keyword {keyword!r}, which has no letter or digit: remove it"
        )
    return plain
