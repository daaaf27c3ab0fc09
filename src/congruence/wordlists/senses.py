"""Which of its senses a keyword has: by itself, and with its whole list in view."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb

from congruence.concepts.words import fold
from congruence.wordlists.wordnet import Sense, WordNet

DOMINANT_SHARE = 0.25
MIN_TAGGED = 5
SURE = 0.05
LISTED_SHARE = 0.1
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
class ListSense:
    """What most of a list is about.

    Attributes:
        domains: the supersenses that it is about, that of most keywords first. A list of animals has one, a
            list of rivers, trees and rain several; none where no two keywords share any.
        pos: "n" or "v", the part of speech of most uses.
    """

    domains: tuple[str, ...]
    pos: str


def list_sense(keywords: Sequence[str], wordnet: WordNet) -> ListSense:
    """The supersenses and the part of speech that most of a list shares.

    Every keyword that WordNet has gives one vote, split as its uses are (:func:`supersense_shares`). The
    supersense with most votes is the list's if two keywords have a sense in it; so is every other with at
    least a tenth of the votes and no fewer than two.
    """
    known = {fold(k): senses for k in keywords if (senses := senses_as_spelt(k, wordnet))}
    votes: dict[str, float] = {}
    parts = {"n": 0.0, "v": 0.0}
    for senses in known.values():
        for domain, share in _shares(senses).items():
            votes[domain] = votes.get(domain, 0.0) + share
    ordered = sorted(votes, key=lambda domain: (-votes[domain], domain))
    needed = max(2.0, LISTED_SHARE * len(known))
    domains = tuple(d for d in ordered[:1] if _holders(d, known.values()) > 1)
    domains += tuple(d for d in ordered[1:] if domains and votes[d] >= needed)
    for senses in known.values():
        inside = [s for s in senses if not domains or domain_of(s.supersense) in domains]
        total = sum(_weights(inside))
        for sense, weight in zip(inside, _weights(inside), strict=True):
            parts[sense.pos] += weight / total if total else 0.0
    return ListSense(domains, "v" if parts["v"] > parts["n"] else "n")


def chosen_sense(keyword: str, wordnet: WordNet, of_list: ListSense) -> Sense | None:
    """The sense a keyword has in its list: its first one of the list's part of speech in the first of the
    list's supersenses that it has.

    In a list without a supersense of its own, the first of that part of speech in the supersense that most
    uses of the word fall on. None where the word has no such sense.
    """
    senses = senses_as_spelt(keyword, wordnet)
    first: dict[str, Sense] = {}
    for sense in senses:
        if sense.pos == of_list.pos:
            first.setdefault(domain_of(sense.supersense), sense)
    domains = of_list.domains or tuple(_shares(senses))[:1]
    return next((first[domain] for domain in domains if domain in first), None)


def ambiguity_in_list(
    keyword: str, wordnet: WordNet, of_list: ListSense, *, dominant: float = DOMINANT_SHARE
) -> str | None:
    """Why a keyword is ambiguous in its list, or None.

    A word that has a sense in the list's supersenses is meant in it, unless the counts show that it is seldom
    so used: among its uses as the list's part of speech, significantly fewer than half (one-sided binomial
    test, p < .05) fall on those supersenses. A few counts can't show that, so they remove nothing. A word
    without such a sense is judged by itself (:func:`ambiguity`).
    """
    chosen = chosen_sense(keyword, wordnet, of_list) if of_list.domains else None
    if chosen is None:
        return ambiguity(keyword, wordnet, dominant=dominant)
    uses = [s for s in senses_as_spelt(keyword, wordnet) if s.pos == chosen.pos]
    total = sum(s.count for s in uses)
    meant = sum(s.count for s in uses if domain_of(s.supersense) in of_list.domains)
    p = at_most(meant, total)
    if p >= SURE:
        return None
    return (
        f"{' or '.join(of_list.domains)}, as the list has it, in only {meant} of {total} uses: fewer than "
        f"half (p = {p:.2g}), rather {_rival(uses, of_list.domains)}"
    )


def at_most(successes: int, trials: int) -> float:
    """Chance of at most so many successes if each trial succeeds in half of the cases.

    >>> at_most(0, 4), at_most(5, 8) > 0.5, at_most(0, 0)
    (0.0625, True, 1.0)
    """
    return sum(comb(trials, k) for k in range(successes + 1)) / 2**trials


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
    return _shares(senses_as_spelt(keyword, wordnet))


def ambiguity(keyword: str, wordnet: WordNet, *, dominant: float = DOMINANT_SHARE) -> str | None:
    """Why a keyword is ambiguous by itself, or None: two or more supersenses each have at least `dominant` of
    its uses.

    Adjectives and adverbs have no supersenses in WordNet and are never evidence.
    """
    shares = supersense_shares(keyword, wordnet)
    leading = [f"{name} {share:.0%}" for name, share in shares.items() if share >= dominant]
    if len(leading) < 2:
        return None
    return f"{len(leading)} dominant senses (each at least {dominant:.0%}): {', '.join(leading)}"


def _shares(senses: Sequence[Sense]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for sense, weight in zip(senses, _weights(senses), strict=True):
        domain = domain_of(sense.supersense)
        weights[domain] = weights.get(domain, 0.0) + weight
    weights.pop("", None)
    total = sum(weights.values())
    ordered = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return {domain: weight / total for domain, weight in ordered if weight > 0}


def _holders(domain: str, words: Iterable[Sequence[Sense]]) -> int:
    return sum(any(domain_of(sense.supersense) == domain for sense in senses) for senses in words)


def _weights(senses: Sequence[Sense]) -> list[float]:
    tagged = sum(sense.count for sense in senses) >= MIN_TAGGED
    return [float(sense.count) if tagged else 1 / sense.rank**2 for sense in senses]


def _rival(senses: Sequence[Sense], domains: Sequence[str]) -> str:
    counts: dict[str, int] = {}
    for sense in senses:
        name = domain_of(sense.supersense)
        if name and name not in domains:
            counts[name] = counts.get(name, 0) + sense.count
    best = min(counts, key=lambda name: (-counts[name], name))
    return f"{best} ({counts[best]})"
