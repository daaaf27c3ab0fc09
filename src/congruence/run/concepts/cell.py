"""A layer pair with its concepts, a subspace of it before and after its test: the records of a cell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int

from congruence.concepts.subset_pairing import SubsetPairing, SubsetPairs
from congruence.config.concepts import ConceptsConfig
from congruence.config.steps import measure_label
from congruence.records import Score
from congruence.run.concepts.layer import LayerConcepts
from congruence.run.concepts.nulls import DrawnPairs
from congruence.run.concepts.rows import ConceptRows, Place
from congruence.run.concepts.scores import Measure
from congruence.threads import available_threads


@dataclass(frozen=True)
class ConceptCell:
    """A layer pair with its concepts.

    Attributes:
        place: what its rows have in common.
        a, b: the layers.
        whole_a, whole_b: features of the pairs that the run keeps in this cell, for `size_matched`.
        measures: names and options.
        draws: null scores of each test.
        threads: draws computed at once.
    """

    place: Place
    a: LayerConcepts
    b: LayerConcepts
    whole_a: Int[np.ndarray, " w"]
    whole_b: Int[np.ndarray, " w"]
    measures: Sequence[Measure]
    draws: int = 1000
    threads: int = field(default_factory=available_threads)

    @property
    def config(self) -> ConceptsConfig:
        """The section of the configuration."""
        return self.a.text.config

    @property
    def labels(self) -> list[str]:
        """What the results call the measures."""
        return [measure_label(*measure) for measure in self.measures]

    @cached_property
    def pairing(self) -> SubsetPairing:
        """Pairs features inside subsets by their activations on the corpus."""
        return SubsetPairing(self.a.columns, self.b.columns, self.config.pairing.rule())


@dataclass(frozen=True)
class Candidate:
    """A subspace of one cell, before it is known whether it is large enough.

    Attributes:
        name, kind: the rows' concept and subspace.
        features_a, features_b: its features.
        pairing: pairs them.
        nulls: for each null that draws other features, from the number of pairs to the drawn pairs.
        details: what every row of it says.
    """

    name: str
    kind: str
    features_a: Int[np.ndarray, " p"]
    features_b: Int[np.ndarray, " q"]
    pairing: SubsetPairing
    nulls: Mapping[str, Callable[[int], DrawnPairs]]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What testing a candidate gives: its rows, its pairs, the score of each measure (None: not defined)."""

    rows: ConceptRows
    pairs: SubsetPairs
    scores: Mapping[str, Score | None]
