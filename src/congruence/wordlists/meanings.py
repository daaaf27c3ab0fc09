"""What keywords mean in WordNet: which mean too many things, and which words lie below their main sense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from congruence.concepts.keywords import Concept
from congruence.concepts.words import fold
from congruence.wordlists.senses import (
    DOMINANT_SHARE,
    ListSense,
    ambiguity,
    ambiguity_in_list,
    chosen_sense,
    domain_of,
    list_sense,
    supersense_shares,
)
from congruence.wordlists.wordnet import WordNet


@dataclass(frozen=True)
class Removal:
    """A keyword taken off a list.

    Attributes:
        concept, keyword: which.
        reason: in words, with the figures.
        stage: "ambiguous", "shared" or "hyponym".
    """

    concept: str
    keyword: str
    reason: str
    stage: str

    def record(self) -> dict[str, Any]:
        """As it is written into a list's provenance."""
        return {"keyword": self.keyword, "reason": self.reason, "stage": self.stage}


@dataclass(frozen=True)
class Addition:
    """A word added to a list.

    Attributes:
        concept, keyword: the list, and the word.
        parent: keyword of the list that it lies below.
        synset: the sense in which it does, by WordNet's name.
        depth: steps of hyponymy between them.
    """

    concept: str
    keyword: str
    parent: str
    synset: str
    depth: int

    def record(self) -> dict[str, Any]:
        """As it is written into a list's provenance."""
        return {"keyword": self.keyword, "parent": self.parent, "synset": self.synset, "depth": self.depth}


def remove_ambiguous(
    concept: Concept, wordnet: WordNet, *, dominant: float = DOMINANT_SHARE
) -> tuple[list[str], list[Removal]]:
    """The keywords of a concept that mean one thing, seen with the whole list, and the removals."""
    of_list = list_sense(concept.keywords, wordnet)
    kept, removed = [], []
    for keyword in concept.keywords:
        reason = ambiguity_in_list(keyword, wordnet, of_list, dominant=dominant)
        if reason is None:
            kept.append(keyword)
        else:
            removed.append(Removal(concept.name, keyword, reason, "ambiguous"))
    return kept, removed


def shared_keywords(concepts: Sequence[Concept]) -> Mapping[str, list[str]]:
    """Keywords (folded) that stand in more than one of the concepts, with the concepts' names.

    >>> from congruence.concepts.keywords import make_concept
    >>> shared_keywords([make_concept("A", ["day", "joy"]), make_concept("B", ["Day"])])
    {'day': ['A', 'B']}
    """
    owners: dict[str, list[str]] = {}
    for concept in concepts:
        for keyword in concept.keywords:
            owners.setdefault(fold(keyword), []).append(concept.name)
    return {keyword: names for keyword, names in owners.items() if len(names) > 1}


def remove_shared(concepts: Sequence[Concept]) -> tuple[list[list[str]], list[Removal]]:
    """The keywords of each concept that no other has, and the removals."""
    shared = shared_keywords(concepts)
    kept = [[k for k in concept.keywords if fold(k) not in shared] for concept in concepts]
    removed = [
        Removal(concept.name, k, f"also in {', '.join(_others(shared[fold(k)], concept.name))}", "shared")
        for concept in concepts
        for k in concept.keywords
        if fold(k) in shared
    ]
    return kept, removed


def find_hyponyms(
    concept: str,
    keywords: Sequence[str],
    wordnet: WordNet,
    *,
    depth: int = 1,
    collocations: bool = False,
    dominant: float = DOMINANT_SHARE,
) -> tuple[list[Addition], list[Removal]]:
    """Words below the senses that keywords have in their list, nearest first, and those refused as ambiguous.

    Each keyword has one sense in its list (:func:`~congruence.wordlists.senses.chosen_sense`): words below
    its others, or of another part of speech, are not looked at. Nobody chose the words below, so each is
    judged by itself: it is refused if it has two dominant senses, or if most of its uses are in another
    domain than the keyword's ("cold" below "symptom" rarely means the illness).

    Args:
        concept: name of the list.
        keywords: its keywords; a word already among them is not added.
        wordnet: from :func:`~congruence.wordlists.wordnet.load_wordnet`.
        depth: most steps of hyponymy; 0 adds nothing.
        collocations: also add those of several words ("ice cream").
        dominant: share of a word's uses that makes a sense dominant.
    """
    seen = {fold(keyword) for keyword in keywords}
    added: list[Addition] = []
    refused: list[Removal] = []
    of_list = list_sense(keywords, wordnet)
    found = _below(concept, keywords, wordnet, of_list, depth)
    for addition, domain in sorted(found, key=lambda entry: entry[0].depth):
        if fold(addition.keyword) in seen or (" " in addition.keyword and not collocations):
            continue
        seen.add(fold(addition.keyword))
        reason = _refusal(addition.keyword, domain, wordnet, dominant)
        if reason is None:
            added.append(addition)
        else:
            refused.append(
                Removal(concept, addition.keyword, f"below {addition.parent!r}: {reason}", "hyponym")
            )
    return added, refused


def unshared(
    keywords: Mapping[str, Sequence[str]], added: Sequence[Addition]
) -> tuple[list[Addition], list[Removal]]:
    """Drop additions that stand in another concept too, as its keyword or as an addition."""
    owners: dict[str, set[str]] = {}
    for name, words in keywords.items():
        for word in words:
            owners.setdefault(fold(word), set()).add(name)
    for addition in added:
        owners.setdefault(fold(addition.keyword), set()).add(addition.concept)
    kept, removed = [], []
    for addition in added:
        others = sorted(owners[fold(addition.keyword)] - {addition.concept})
        if others:
            reason = f"below {addition.parent!r}: also in {', '.join(others)}"
            removed.append(Removal(addition.concept, addition.keyword, reason, "shared"))
        else:
            kept.append(addition)
    return kept, removed


def _below(
    concept: str, keywords: Sequence[str], wordnet: WordNet, of_list: ListSense, depth: int
) -> list[tuple[Addition, str]]:
    return [
        (Addition(concept, word, keyword, wordnet.name(synset), distance), domain_of(sense.supersense))
        for keyword in keywords
        if (sense := chosen_sense(keyword, wordnet, of_list)) is not None
        for synset, distance in wordnet.below(sense.synset, depth=depth).items()
        for word in wordnet.words(synset)
    ]


def _refusal(word: str, domain: str, wordnet: WordNet, dominant: float) -> str | None:
    leading = next(iter(supersense_shares(word, wordnet)), domain)
    if leading != domain:
        return f"mostly {leading}, not {domain}"
    return ambiguity(word, wordnet, dominant=dominant)


def _others(names: Sequence[str], name: str) -> list[str]:
    return [other for other in names if other != name]
