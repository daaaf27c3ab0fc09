"""What concepts need of a corpus, once for all layers: words, where keywords stand, random groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from congruence.concepts import (
    Concept,
    RandomKeywords,
    WordIndex,
    keyword_counts,
    keyword_positions,
    make_concept,
    random_keywords,
    resolve_concept,
    union,
)
from congruence.concepts.words import fold
from congruence.config.concepts import ConceptsConfig
from congruence.errors import ConfigError, unknown_name
from congruence.rng import derive


@dataclass(frozen=True)
class Subspace:
    """A concept whose features are compared.

    Attributes:
        name: what results call it.
        kind: "semantic" or "overlap".
        concept: its keywords.
        parts: names of the concepts it is the union of; empty for a single one.
    """

    name: str
    kind: str
    concept: Concept
    parts: tuple[str, ...] = ()


@dataclass
class ConceptText:
    """The concepts of a run on its corpus.

    Attributes:
        index: words of the corpus, row by row of the activations.
        subspaces: concepts and their unions, by name.
        positions: keyword of each subspace under each token.
        counts: occurrences of each subspace's keywords.
        config: the section.
        seed: the run's.
    """

    index: WordIndex
    subspaces: Mapping[str, Subspace]
    positions: Mapping[str, Int[np.ndarray, " n"]]
    counts: Mapping[str, Int[np.ndarray, " _"]]
    config: ConceptsConfig
    seed: int
    _groups: dict[tuple[str, int, int], RandomKeywords] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, config: ConceptsConfig, index: WordIndex, *, seed: int) -> "ConceptText":
        """Find every keyword in the corpus.

        Raises:
            ConfigError: a name is unknown, or two lists have one name.
        """
        subspaces = {subspace.name: subspace for subspace in subspaces_of(config)}
        positions = {
            name: keyword_positions(s.concept, index, case=config.case, pieces=config.pieces)
            for name, s in subspaces.items()
        }
        counts = {name: keyword_counts(s.concept, index, case=config.case) for name, s in subspaces.items()}
        return cls(index, subspaces, positions, counts, config, seed)

    def random_groups(self, name: str, draws: int, attempt: int) -> RandomKeywords:
        """Groups of unrelated words for one subspace: the same for every layer, so that draws go together."""
        key = (name, draws, attempt)
        if key not in self._groups:
            rng = derive(self.seed, "concepts", "unrelated_keywords", name, attempt)
            concept = self.subspaces[name].concept
            self._groups[key] = random_keywords(
                concept, self.index, draws=draws, rng=rng, case=self.config.case
            )
        return self._groups[key]

    def columns_of_part(self, name: str, part: str, groups: RandomKeywords) -> Int[np.ndarray, " columns"]:
        """Columns of a union's random groups that stand for the keywords of one of its parts."""
        own = {fold(keyword) for keyword in self.subspaces[part].concept.keywords}
        keywords = self.subspaces[name].concept.keywords
        return np.array([c for c, k in enumerate(groups.keyword) if fold(keywords[k]) in own], dtype=np.int64)


def subspaces_of(config: ConceptsConfig) -> list[Subspace]:
    """The concepts that a section names, then their unions.

    Raises:
        ConfigError: a name is unknown, or two lists have one name.
    """
    concepts = named_concepts(config)
    single = [Subspace(name, "semantic", concept) for name, concept in concepts.items()]
    return single + [_overlap(names, concepts) for names in config.overlaps]


def named_concepts(config: ConceptsConfig) -> dict[str, Concept]:
    """The lists of a section by name."""
    concepts: dict[str, Concept] = {}
    for entry in config.lists:
        given = (
            resolve_concept(entry)
            if isinstance(entry, str)
            else [make_concept(name, keywords, source="config") for name, keywords in entry.items()]
        )
        for concept in given:
            if concept.name in concepts and concepts[concept.name] != concept:
                raise ConfigError(f"concepts has two lists called {concept.name!r}: rename one")
            concepts[concept.name] = concept
    return concepts


def find_concept(name: str, concepts: Mapping[str, Concept]) -> Concept:
    """One of the section's concepts by name, whatever its case."""
    by_name = {known.casefold(): concept for known, concept in concepts.items()}
    if name.casefold() not in by_name:
        raise ConfigError(f"{unknown_name('concept', name, concepts)}; add it to concepts.lists")
    return by_name[name.casefold()]


def _overlap(names: Sequence[str], concepts: Mapping[str, Concept]) -> Subspace:
    parts = [find_concept(name, concepts) for name in names]
    name = "+".join(part.name for part in parts)
    return Subspace(name, "overlap", union(name, parts), tuple(part.name for part in parts))
