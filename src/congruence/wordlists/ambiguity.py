"""Which keywords mean too many things: the rule, and each removal with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from congruence.concepts.keywords import Concept
from congruence.concepts.words import fold
from congruence.wordlists.wordnet import Sense, WordNet

DOMINANT_SHARE = 0.25
MIN_TAGGED = 5
SAME_DOMAIN = {
    "verb.emotion": "noun.feeling",
    "verb.cognition": "noun.cognition",
    "verb.communication": "noun.communication",
    "verb.body": "noun.body",
    "verb.possession": "noun.possession",
    "verb.weather": "noun.phenomenon",
    "verb.consumption": "noun.food",
    "verb.social": "noun.act",
    "verb.stative": "noun.state",
    "noun.Tops": "",
}
"""Supersenses of verbs that name the domain of a noun's: "love" the noun and "to love" are no ambiguity. The
unique beginners (noun.Tops) belong to no domain and are left out."""


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


def domain_of(supersense: str) -> str:
    """The domain that a supersense counts for: that of nouns where a verb's is about the same things."""
    return SAME_DOMAIN.get(supersense, supersense)


def senses_as_spelt(keyword: str, wordnet: WordNet) -> Sequence[Sense]:
    """A word's senses; where it has a capital, only those spelt so, if there are any ("May" is no plant)."""
    senses = wordnet.senses(keyword)
    if not keyword[:1].isupper():
        return senses
    return [sense for sense in senses if keyword in wordnet.words(sense.synset)] or senses


def supersense_shares(keyword: str, wordnet: WordNet) -> dict[str, float]:
    """Share of a word's uses that falls on each supersense, largest first; empty where WordNet doesn't have
    it.

    A sense weighs as often as WordNet's texts tag it; where fewer than 5 tags are there for the word, 1 /
    rank². Verb supersenses count with the noun's of the same domain. A keyword with a capital has only the
    senses that are spelt so, if there are any.
    """
    senses = senses_as_spelt(keyword, wordnet)
    tagged = sum(sense.count for sense in senses) >= MIN_TAGGED
    weights: dict[str, float] = {}
    for sense in senses:
        domain = domain_of(sense.supersense)
        weights[domain] = weights.get(domain, 0.0) + (sense.count if tagged else 1 / sense.rank**2)
    weights.pop("", None)
    total = sum(weights.values())
    ordered = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return {domain: weight / total for domain, weight in ordered if weight > 0}


def ambiguity(keyword: str, wordnet: WordNet, *, dominant: float = DOMINANT_SHARE) -> str | None:
    """Why a keyword is ambiguous, or None: two or more supersenses each have at least `dominant` of its uses.

    Adjectives and adverbs have no supersenses in WordNet and are never evidence.
    """
    shares = supersense_shares(keyword, wordnet)
    leading = [f"{name} {share:.0%}" for name, share in shares.items() if share >= dominant]
    if len(leading) < 2:
        return None
    return f"{len(leading)} dominant senses (each at least {dominant:.0%}): {', '.join(leading)}"


def remove_ambiguous(
    concept: Concept, wordnet: WordNet, *, dominant: float = DOMINANT_SHARE
) -> tuple[list[str], list[Removal]]:
    """The keywords of a concept that have one dominant sense, and the removals."""
    kept, removed = [], []
    for keyword in concept.keywords:
        reason = ambiguity(keyword, wordnet, dominant=dominant)
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


def _others(names: Sequence[str], name: str) -> list[str]:
    return [other for other in names if other != name]
