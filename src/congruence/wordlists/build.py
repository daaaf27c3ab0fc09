"""Building concept lists as Son et al. 2025 do: intersect, drop what is ambiguous, add WordNet's hyponyms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from congruence.concepts.keywords import Concept, make_concept
from congruence.concepts.words import fold
from congruence.errors import InputError
from congruence.options import SHARE, at_least, check_fields, whole
from congruence.wordlists.meanings import (
    Addition,
    Removal,
    find_hyponyms,
    remove_ambiguous,
    remove_shared,
    unshared,
)
from congruence.wordlists.senses import DOMINANT_SHARE
from congruence.wordlists.wordnet import WordNet

RECIPE = "intersect lists; remove ambiguous and shared keywords; add hyponyms (after Son et al. 2025)"


@dataclass(frozen=True)
class KeywordList:
    """One of the lists that a concept is made from.

    Attributes:
        keywords: in the order given.
        source: a file, or an endpoint with its model.
        details: everything needed to ask for it again: prompt, seed, temperature, the reply.
    """

    keywords: Sequence[str]
    source: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As it is written into a list's provenance."""
        return {"source": self.source, "keywords": list(self.keywords), **self.details}


@dataclass(frozen=True)
class BuildOptions:
    """How lists become concepts.

    Attributes:
        min_lists: lists a keyword must stand in; None: all of them.
        remove_ambiguous: drop keywords that seldom mean what the list means, or have several dominant senses.
        remove_shared: drop keywords that stand in more than one of the concepts built together.
        depth: steps of hyponymy to add; 0 adds nothing.
        collocations: add hyponyms of several words too.
        dominant: share of a word's uses that makes a sense dominant.
    """

    min_lists: Annotated[int, at_least(1)] | None = None
    remove_ambiguous: bool = True
    remove_shared: bool = True
    depth: Annotated[int, whole(0, 20)] = 1
    collocations: bool = False
    dominant: Annotated[float, SHARE] = DOMINANT_SHARE

    def __post_init__(self) -> None:
        check_fields(self)


AS_PUBLISHED = BuildOptions()
"""The steps of Son et al. 2025, with direct hyponyms."""


def build_concepts(
    lists: Mapping[str, Sequence[KeywordList]], wordnet: WordNet, options: BuildOptions = AS_PUBLISHED
) -> list[Concept]:
    """Concepts from several independent keyword lists each, with every step in their provenance.

    Args:
        lists: for each concept, its lists.
        wordnet: for senses and hyponyms.
        options: the steps to take.

    Raises:
        InputError: a concept has no list, its lists have nothing in common, or the steps leave nothing.
    """
    agreed = [_agreed(name, lists[name], options) for name in lists]
    concepts, removed = _screened(agreed, wordnet, options)
    added, refused = _additions(concepts, wordnet, options)
    steps = {"options": vars(options), "wordnet": wordnet.source}
    return [_finish(concept, lists[concept.name], steps, removed + refused, added) for concept in concepts]


def intersect(name: str, lists: Sequence[Sequence[str]], *, min_lists: int | None = None) -> list[str]:
    """Keywords that stand in at least `min_lists` of the lists (default: all), spelt as in the first with
    them.

    >>> intersect("Emotions", [["joy", "fear"], ["Fear", "hope"]])
    ['fear']

    Raises:
        InputError: there is no list, or no keyword in enough of them.
    """
    needed = len(lists) if min_lists is None else min_lists
    if not lists or not 1 <= needed <= len(lists):
        raise InputError(
            f"concept {name!r} has {len(lists)} lists, and a keyword needs {needed}: give more lists"
        )
    spelling: dict[str, str] = {}
    count: dict[str, int] = {}
    for keywords in lists:
        for folded, keyword in {fold(keyword): keyword for keyword in keywords}.items():
            spelling.setdefault(folded, keyword)
            count[folded] = count.get(folded, 0) + 1
    kept = [spelling[folded] for folded, times in count.items() if times >= needed]
    if not kept:
        sizes = ", ".join(str(len(keywords)) for keywords in lists)
        raise InputError(
            f"no keyword of concept {name!r} stands in {needed} of its {len(lists)} lists (of {sizes}): "
            "ask for longer lists or lower min_lists"
        )
    return kept


def _agreed(name: str, lists: Sequence[KeywordList], options: BuildOptions) -> Concept:
    keywords = intersect(name, [entry.keywords for entry in lists], min_lists=options.min_lists)
    return make_concept(name, keywords)


def _screened(
    concepts: Sequence[Concept], wordnet: WordNet, options: BuildOptions
) -> tuple[list[Concept], list[Removal]]:
    removed: list[Removal] = []
    kept = [list(concept.keywords) for concept in concepts]
    if options.remove_shared:
        kept, removed = remove_shared(concepts)
    if options.remove_ambiguous:
        for index, concept in enumerate(concepts):
            _, ambiguous = remove_ambiguous(concept, wordnet, dominant=options.dominant)
            gone = {removal.keyword for removal in ambiguous}
            removed += [removal for removal in ambiguous if removal.keyword in kept[index]]
            kept[index] = [keyword for keyword in kept[index] if keyword not in gone]
    for concept, keywords in zip(concepts, kept, strict=True):
        if not keywords:
            raise InputError(
                f"all {len(concept)} keywords of concept {concept.name!r} are ambiguous or shared: give "
                "longer lists, or build it without removing them"
            )
    return [make_concept(c.name, keywords) for c, keywords in zip(concepts, kept, strict=True)], removed


def _additions(
    concepts: Sequence[Concept], wordnet: WordNet, options: BuildOptions
) -> tuple[list[Addition], list[Removal]]:
    added: list[Addition] = []
    refused: list[Removal] = []
    for concept in concepts:
        new, no = find_hyponyms(
            concept.name,
            concept.keywords,
            wordnet,
            depth=options.depth,
            collocations=options.collocations,
            dominant=options.dominant,
        )
        added, refused = added + new, refused + no
    if options.remove_shared:
        added, shared = unshared({concept.name: concept.keywords for concept in concepts}, added)
        refused += shared
    return added, refused


def _finish(
    concept: Concept,
    lists: Sequence[KeywordList],
    steps: Mapping[str, Any],
    removed: Sequence[Removal],
    added: Sequence[Addition],
) -> Concept:
    mine = [addition for addition in added if addition.concept == concept.name]
    provenance = {
        "recipe": RECIPE,
        **steps,
        "lists": [entry.record() for entry in lists],
        "removed": [removal.record() for removal in removed if removal.concept == concept.name],
        "added": [addition.record() for addition in mine],
    }
    keywords = [*concept.keywords, *(addition.keyword for addition in mine)]
    sources = "; ".join(dict.fromkeys(entry.source for entry in lists))
    return make_concept(concept.name, keywords, source=f"built from {sources}", provenance=provenance)
