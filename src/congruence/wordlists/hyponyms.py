"""Words that WordNet has below a keyword's main sense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from congruence.concepts.words import fold
from congruence.wordlists.ambiguity import (
    DOMINANT_SHARE,
    Removal,
    ambiguity,
    domain_of,
    senses_as_spelt,
    supersense_shares,
)
from congruence.wordlists.wordnet import Sense, WordNet


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


def main_senses(keyword: str, wordnet: WordNet) -> list[Sense]:
    """The first noun and the first verb sense in the domain that most uses of the word fall on."""
    domain = next(iter(supersense_shares(keyword, wordnet)), None)
    first: dict[str, Sense] = {}
    for sense in senses_as_spelt(keyword, wordnet):
        if domain_of(sense.supersense) == domain:
            first.setdefault(sense.pos, sense)
    return list(first.values())


def find_hyponyms(
    concept: str,
    keywords: Sequence[str],
    wordnet: WordNet,
    *,
    depth: int = 1,
    collocations: bool = False,
    dominant: float = DOMINANT_SHARE,
) -> tuple[list[Addition], list[Removal]]:
    """Words below the main senses of a list's keywords, nearest first, and those refused as ambiguous.

    A word is refused if it has two dominant senses, or if most of its uses are in another domain than the
    keyword's ("cold" below "symptom" rarely means the illness).

    Args:
        concept: name of the list.
        keywords: its keywords; a word already among them is not added.
        wordnet: from :func:`~congruence.wordlists.wordnet_files.load_wordnet`.
        depth: most steps of hyponymy; 0 adds nothing.
        collocations: also add those of several words ("ice cream").
        dominant: share of a word's uses that makes a sense dominant.
    """
    seen = {fold(keyword) for keyword in keywords}
    added: list[Addition] = []
    refused: list[Removal] = []
    for addition, domain in sorted(
        _below(concept, keywords, wordnet, depth), key=lambda found: found[0].depth
    ):
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


def _below(concept: str, keywords: Sequence[str], wordnet: WordNet, depth: int) -> list[tuple[Addition, str]]:
    return [
        (Addition(concept, word, keyword, wordnet.name(synset), distance), domain_of(sense.supersense))
        for keyword in keywords
        for sense in main_senses(keyword, wordnet)
        for synset, distance in wordnet.below(sense.synset, depth=depth).items()
        for word in wordnet.words(synset)
    ]


def _refusal(word: str, domain: str, wordnet: WordNet, dominant: float) -> str | None:
    leading = next(iter(supersense_shares(word, wordnet)), domain)
    if leading != domain:
        return f"mostly {leading}, not {domain}"
    return ambiguity(word, wordnet, dominant=dominant)
