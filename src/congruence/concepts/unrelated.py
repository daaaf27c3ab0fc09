"""Keyword groups that have nothing to do with a concept but are as many and as frequent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Bool, Int

from congruence.concepts.keyword_positions import Case, keyword_counts
from congruence.concepts.keywords import Concept
from congruence.concepts.membership import PUBLISHED, Rule
from congruence.concepts.word_index import WordIndex
from congruence.concepts.words import split_words
from congruence.errors import InputError
from congruence.matching.subsets import Ragged
from congruence.records import TopTokens

NEIGHBOURS = 20
"""A keyword is replaced by one of this many words whose corpus frequency is nearest to its own."""


@dataclass(frozen=True)
class RandomKeywords:
    """Random groups of words, as many and as frequent as a concept's keywords.

    Attributes:
        words: (draws, keywords) index of the drawn words in the word index; one column a keyword that occurs.
        keyword: (keywords,) which keyword each column stands for.
        counts: (keywords,) how often that keyword occurs.
    """

    words: Int[np.ndarray, "draws keywords"]
    keyword: Int[np.ndarray, "keywords"]
    counts: Int[np.ndarray, "keywords"]


def random_keywords(
    concept: Concept,
    index: WordIndex,
    *,
    draws: int,
    rng: np.random.Generator,
    neighbours: int = NEIGHBOURS,
    case: Case = "fold",
) -> RandomKeywords:
    """Draw groups of words of the corpus, one word for each keyword that occurs in it. Ours.

    Each keyword is replaced by one of the `neighbours` words nearest to it in corpus frequency (more where
    there are more keywords than that, or several are equally near); a group has no word twice, and none of
    the concept's own. Keywords that don't occur contribute no feature and are not replaced.

    Args:
        concept: the keywords to be matched in number and frequency.
        index: words of the corpus.
        draws: number of groups.
        rng: source of randomness.
        neighbours: how many words to choose among.
        case: as in membership.

    Raises:
        InputError: the corpus has too few other words.
    """
    counts = keyword_counts(concept, index, case=case)
    present = np.flatnonzero(counts)
    own = {word for keyword in concept.keywords for word in split_words(keyword)}
    pool = np.array(
        [i for i, word in enumerate(index.words) if word not in own and not word.isdigit()], np.int64
    )
    if len(pool) < max(neighbours, 2 * len(present)):
        raise InputError(
            f"the corpus has {len(pool)} words besides those of {concept.name!r}, too few to draw groups of "
            f"{len(present)} from: use a longer corpus, or leave the null unrelated_keywords out"
        )
    least = max(neighbours, len(present))  # a free one is left for every keyword
    candidates = [_candidates(index.counts[pool], count, least) for count in counts[present]]
    words = pool[_draw_distinct(candidates, draws, rng)]
    return RandomKeywords(words, present, counts[present])


def members_of_groups(
    top_words: Int[np.ndarray, "f k"],
    groups: Int[np.ndarray, "draws keywords"],
    n_words: int,
    *,
    rule: Rule = PUBLISHED,
    exclude: Bool[np.ndarray, "f"] | None = None,
) -> Ragged:
    """The features that belong to each group of words, ascending, by the rule of the concept (mass aside).

    Args:
        top_words: (f, k) word under each feature's top tokens, from :func:`top_word_table`.
        groups: words of each group.
        n_words: number of words in the index.
        rule: thresholds.
        exclude: features that never belong.
    """
    order = np.argsort(top_words, axis=None, kind="stable")
    starts = np.searchsorted(top_words.ravel()[order], np.arange(n_words + 1))
    features = order // top_words.shape[1]  # of each word, one for each of their top tokens that lie on it
    barred = np.zeros(len(top_words), dtype=bool) if exclude is None else exclude
    return Ragged(*_members_of_words(starts, features, np.sort(groups, axis=1), rule.min_hits, barred))


def top_word_table(
    top: TopTokens, index: WordIndex, *, rule: Rule = PUBLISHED, pieces: bool = True
) -> Int[np.ndarray, "f k"]:
    """The word under each feature's top tokens; the number of words where there is none (or only a piece)."""
    word = index.word if pieces else np.where(index.whole, index.word, -1)
    rows = top.positions[:, : rule.top_k]
    words = np.where(rows >= 0, word[rows], -1)
    return np.where(words >= 0, words, len(index.words))


def _candidates(pool_counts: np.ndarray, wanted: int, least: int) -> np.ndarray:
    """The `least` places of the pool nearest in log frequency, with all as near as the last of them."""
    distance = np.abs(np.log(pool_counts) - np.log(wanted))
    reach = np.partition(distance, least - 1)[least - 1]
    return np.flatnonzero(distance <= reach + 1e-12)


def _draw_distinct(candidates: Sequence[np.ndarray], draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws, columns): one candidate a column, none twice in a row; what repeats is drawn again."""
    drawn = np.empty((draws, len(candidates)), dtype=np.int64)
    again = np.ones(drawn.shape, dtype=bool)
    while again.any():
        for column, places in enumerate(candidates):
            rows = np.flatnonzero(again[:, column])
            drawn[rows, column] = places[rng.integers(len(places), size=len(rows))]
        order = np.argsort(drawn, axis=1, kind="stable")
        repeats = np.zeros(drawn.shape, dtype=bool)
        repeats[:, 1:] = np.diff(np.take_along_axis(drawn, order, axis=1), axis=1) == 0
        np.put_along_axis(again, order, repeats, axis=1)
    return drawn


@numba.njit(nogil=True, cache=True)
def _members_of_words(starts, features, groups, min_hits, barred):
    """Features with at least `min_hits` top tokens on a group's words, group after group, and their offsets.

    Args:
        starts: (words + 1,) where each word's features begin.
        features: feature of each top token, by word.
        groups: (m, w) words of each group, ascending.
        min_hits: threshold.
        barred: (f,) features that never belong.
    """
    room = 0
    for group in groups:
        for word in group:
            room += starts[word + 1] - starts[word]
    found = np.empty(room, dtype=np.int64)
    offsets = np.zeros(len(groups) + 1, dtype=np.int64)
    hits = np.zeros(len(barred), dtype=np.int64)
    end = 0
    for number in range(len(groups)):
        group, first = groups[number], end
        for place in range(len(group)):
            if place and group[place] == group[place - 1]:
                continue
            for k in range(starts[group[place]], starts[group[place] + 1]):
                hits[features[k]] += 1
                if hits[features[k]] == min_hits and not barred[features[k]]:
                    found[end] = features[k]
                    end += 1
        for place in range(len(group)):
            for k in range(starts[group[place]], starts[group[place] + 1]):
                hits[features[k]] = 0
        found[first:end].sort()
        offsets[number + 1] = end
    return found[:end].copy(), offsets
