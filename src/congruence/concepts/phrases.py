"""Phrases of two concepts, and the texts in which they and their words are shown to a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from congruence.concepts.keyword_positions import keyword_counts
from congruence.concepts.keywords import Concept, make_concept
from congruence.concepts.word_index import WordIndex
from congruence.concepts.words import split_words
from congruence.errors import InputError

FRAMES = (
    "{}",
    "They wrote {} on the page.",
    "I could read {} on the wall.",
    "The paper said {} and no more.",
)
"""Neutral frames: each says no more about a phrase than that it is one."""

Likelihood = Literal["all", "likely", "unlikely"]


@dataclass(frozen=True)
class Phrases:
    """Phrases of a keyword of one concept followed by a keyword of another.

    Attributes:
        name: e.g. "Emotions×Time".
        first, second: the keywords of each phrase, in order.
        corpus_count: (phrases,) how often each stands in the corpus: 0 for an unlikely one.
    """

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    corpus_count: Int[np.ndarray, "phrases"]

    def __len__(self) -> int:
        return len(self.first)

    @property
    def texts(self) -> tuple[str, ...]:
        """The phrases as text: "happy day"."""
        return tuple(f"{first} {second}" for first, second in zip(self.first, self.second, strict=True))

    def concept(self) -> Concept:
        """The phrases as keywords, so that they can be found in a corpus like any other."""
        return make_concept(self.name, self.texts)


def make_phrases(
    first: Concept,
    second: Concept,
    index: WordIndex,
    *,
    rng: np.random.Generator,
    limit: int | None = 100,
    likelihood: Likelihood = "all",
) -> Phrases:
    """All phrases of a keyword of `first` followed by a keyword of `second`, or a sample of them. After Son
    et al.

    A phrase is likely if the corpus has it. Of a sample, up to half are likely ones (the most frequent), the
    rest is drawn at random from the others. No phrase has one word twice.

    Args:
        first, second: the concepts, in the order of the phrase.
        index: words of the corpus.
        rng: draws the sample.
        limit: most phrases; None takes all.
        likelihood: "likely" or "unlikely" keeps one kind only.

    Raises:
        InputError: no phrase is left.
    """
    pairs = [(a, b) for a in first.keywords for b in second.keywords if split_words(a) != split_words(b)]
    name = f"{first.name}×{second.name}"
    if not pairs:
        raise InputError(f"{name} has no phrase of two different words: give other concepts")
    counts = keyword_counts(make_concept(name, list(dict.fromkeys(f"{a} {b}" for a, b in pairs))), index)
    chosen = _sample(counts, limit, likelihood, rng)
    if not len(chosen):
        raise InputError(f"{name} has no {likelihood} phrase among {len(pairs)}: use likelihood 'all'")
    kept = [pairs[index] for index in chosen]
    return Phrases(name, tuple(a for a, _ in kept), tuple(b for _, b in kept), counts[chosen])


def given_phrases(name: str, texts: Sequence[str], index: WordIndex) -> Phrases:
    """Phrases of a user's own: two words each.

    Raises:
        InputError: one of them isn't two words.
    """
    halves = [text.split() for text in texts]
    for text, words in zip(texts, halves, strict=True):
        if len(words) != 2:
            raise InputError(f"{name}: the phrase {text!r} has {len(words)} words, not 2")
    counts = keyword_counts(make_concept(name, list(dict.fromkeys(texts))), index)
    return Phrases(name, tuple(a for a, _ in halves), tuple(b for _, b in halves), counts)


@dataclass(frozen=True)
class PhraseTexts:
    """Texts that show phrases, and their words alone, in every frame.

    Attributes:
        units: the phrases, then each of their words once.
        first, second: (phrases,) unit of each phrase's words.
        texts: one document for each unit and frame, all frames of a unit side by side.
        unit: (documents,) which unit each document shows.
        frames: number of frames.
    """

    units: tuple[str, ...]
    first: Int[np.ndarray, "phrases"]
    second: Int[np.ndarray, "phrases"]
    texts: tuple[str, ...]
    unit: Int[np.ndarray, "documents"]
    frames: int

    @property
    def shows_phrase(self) -> np.ndarray:
        """(documents,) true for documents that show a phrase, false for single words."""
        return self.unit < len(self.first)


def phrase_texts(phrases: Phrases, frames: Sequence[str] = FRAMES) -> PhraseTexts:
    """The texts to run through a model.

    Args:
        phrases: what to show.
        frames: texts with one ``{}`` each; a frame may hold no word of the phrases.

    Raises:
        InputError: a frame has no ``{}`` or several, or holds a word of the phrases.
    """
    words = tuple(dict.fromkeys([*phrases.first, *phrases.second]))
    _check_frames(frames, words)
    units = (*phrases.texts, *words)
    place = {word: len(phrases) + number for number, word in enumerate(words)}
    return PhraseTexts(
        units,
        np.array([place[word] for word in phrases.first], dtype=np.int64),
        np.array([place[word] for word in phrases.second], dtype=np.int64),
        tuple(frame.replace("{}", unit) for unit in units for frame in frames),
        np.repeat(np.arange(len(units)), len(frames)),
        len(frames),
    )


def unit_positions(
    texts: PhraseTexts, index: WordIndex, document_offsets: Int[np.ndarray, "documents_plus_1"]
) -> Int[np.ndarray, "n"]:
    """The unit that each token of the phrase texts lies in; -1 for the tokens of the frame.

    Args:
        texts: what was shown.
        index: words of the tokenized texts.
        document_offsets: first row of each text, n at the end.

    Raises:
        InputError: a text doesn't hold its unit (cut off, or the tokenizer changed it).
    """
    if len(document_offsets) != len(texts.texts) + 1:
        raise InputError(f"{len(document_offsets) - 1} documents are not the {len(texts.texts)} phrase texts")
    positions = np.full(len(index.occurrence), -1, dtype=np.int32)
    for document, unit in enumerate(texts.unit.tolist()):
        rows = slice(document_offsets[document], document_offsets[document + 1])
        occurrence = index.occurrence[rows]
        found = _find(split_words(texts.units[unit]), occurrence, index)
        if found is None:
            raise InputError(f"{texts.units[unit]!r} isn't among the tokens of {texts.texts[document]!r}")
        positions[rows][(occurrence >= found[0]) & (occurrence < found[1])] = unit
    return positions


def _find(words: tuple[str, ...], occurrence: np.ndarray, index: WordIndex) -> tuple[int, int] | None:
    """First and one past the last word occurrence of the unit in a document."""
    present = np.unique(occurrence[occurrence >= 0])
    text = [index.words[index.word_of[place]] for place in present]
    for start in range(len(text) - len(words) + 1):
        if tuple(text[start : start + len(words)]) == words:
            return int(present[start]), int(present[start]) + len(words)
    return None


def _sample(
    counts: np.ndarray, limit: int | None, likelihood: Likelihood, rng: np.random.Generator
) -> np.ndarray:
    likely = np.flatnonzero(counts)[np.argsort(-counts[counts > 0], kind="stable")]
    unlikely = np.flatnonzero(counts == 0)
    if likelihood == "likely":
        return np.sort(likely[:limit])
    if likelihood == "unlikely":
        return np.sort(rng.permutation(unlikely)[:limit])
    if limit is None or len(counts) <= limit:
        return np.arange(len(counts))
    some = likely[: max(limit // 2, limit - len(unlikely))]
    return np.sort(np.concatenate([some, rng.permutation(unlikely)[: limit - len(some)]]))


def _check_frames(frames: Sequence[str], words: Sequence[str]) -> None:
    used = {part for word in words for part in split_words(word)}
    if not frames:
        raise InputError("phrases need at least one frame, such as '{}'")
    for frame in frames:
        if frame.count("{}") != 1:
            raise InputError(f"the frame {frame!r} must hold {{}} once")
        clash = used.intersection(split_words(frame.replace("{}", " ")))
        if clash:
            raise InputError(
                f"the frame {frame!r} holds {sorted(clash)[0]!r}, a word of the phrases: reword it"
            )
