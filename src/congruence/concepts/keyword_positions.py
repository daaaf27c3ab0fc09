"""Where the keywords of a concept stand in a corpus, token by token."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Int

from congruence.concepts.keywords import Concept
from congruence.concepts.word_index import WordIndex
from congruence.concepts.words import split_words, word_spans
from congruence.errors import InputError, quoted

Case = Literal["fold", "proper"]


def keyword_positions(
    concept: Concept, index: WordIndex, *, case: Case = "fold", pieces: bool = True
) -> Int[np.ndarray, "n"]:
    """Which keyword of the concept each token lies in, as the whole word of the text; -1 for none.

    The word that a token lies in must equal the keyword once both are folded: "king" is not in
    "seeking", "kings" or "kingdom", however these are cut into tokens, and it is in "king", (king), king's
    and king-size. A keyword of several words ("New York") takes every token of its words where they stand
    side by side. Of keywords that overlap, the longest takes the token.

    Args:
        concept: the keywords.
        index: the corpus, from :func:`~congruence.concepts.word_index.word_index`.
        case: "fold" (as published: "may" is the keyword "May"), or "proper": a keyword's capital must be
            there.
        pieces: count tokens that are only a piece of the keyword ("gl" + "ee"); if False, a token must be the
            whole word.
    """
    if case not in ("fold", "proper"):
        raise InputError(f"case={quoted(case)} isn't known: use 'fold' or 'proper'")
    occurrences = np.full(len(index.word_of), -1, dtype=np.int32)
    places = _places(concept, index, case)
    for keyword in sorted(places, key=lambda keyword: len(split_words(concept.keywords[keyword]))):
        length = len(split_words(concept.keywords[keyword]))
        occurrences[places[keyword][:, None] + np.arange(length)] = keyword
    return _on_tokens(occurrences, index, pieces)


def keyword_table(
    concepts: Sequence[Concept], index: WordIndex, *, case: Case = "fold", pieces: bool = True
) -> Int[np.ndarray, "c n"]:
    """:func:`keyword_positions` of several concepts, one row each: all that membership on any layer needs.

    Memory 4 · concepts · tokens bytes.
    """
    rows = [keyword_positions(concept, index, case=case, pieces=pieces) for concept in concepts]
    return np.stack(rows) if rows else np.empty((0, len(index.occurrence)), dtype=np.int32)


def keyword_counts(concept: Concept, index: WordIndex, *, case: Case = "fold") -> Int[np.ndarray, "keywords"]:
    """How often each keyword occurs in the corpus, in the order of the list."""
    counts = np.zeros(len(concept), dtype=np.int64)
    for keyword, starts in _places(concept, index, case).items():
        counts[keyword] = len(starts)
    return counts


def _places(concept: Concept, index: WordIndex, case: Case) -> dict[int, np.ndarray]:
    """First word occurrence of each place where each keyword stands; none for keywords that don't occur."""
    number_of = {word: number for number, word in enumerate(index.words)}
    places = {}
    for keyword, text in enumerate(concept.keywords):
        words = [number_of.get(word, -1) for word in split_words(text)]
        if min(words) >= 0:
            places[keyword] = _starts(words, _capitals(text) if case == "proper" else (), index)
    return places


def _starts(words: Sequence[int], capitals: Sequence[bool], index: WordIndex) -> np.ndarray:
    """First occurrence of each place where the words stand side by side."""
    starts = np.flatnonzero(index.word_of == words[0])
    starts = starts[starts + len(words) <= len(index.word_of)]
    for step, word in enumerate(words):
        fits = index.word_of[starts + step] == word
        if step:
            fits &= index.joined[starts + step]
        if capitals and capitals[step]:
            fits &= index.capital[starts + step]
        starts = starts[fits]
    return starts


def _capitals(text: str) -> list[bool]:
    return [text[start].isupper() for start, _ in word_spans(text)]


def _on_tokens(occurrences: np.ndarray, index: WordIndex, pieces: bool) -> np.ndarray:
    if not len(occurrences):
        return np.full(len(index.occurrence), -1, dtype=np.int32)
    lies = (index.occurrence >= 0) & (index.whole | pieces)
    return np.where(lies, occurrences[index.occurrence], -1).astype(np.int32)
