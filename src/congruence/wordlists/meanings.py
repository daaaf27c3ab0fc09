"""What keywords mean in WordNet: which mean too many things, and which words lie below their main sense."""

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
        wordnet: from :func:`~congruence.wordlists.wordnet.load_wordnet`.
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


def _others(names: Sequence[str], name: str) -> list[str]:
    return [other for other in names if other != name]
