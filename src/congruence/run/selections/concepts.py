"""Concepts and their unions in one cell: who belongs, how they are paired, and what nulls draw instead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from jaxtyping import Int

from congruence.config.concepts import ConceptsConfig
from congruence.matching.inside import LayerColumns, SubsetPairing
from congruence.metrics import Measure
from congruence.nulls import Case, Null
from congruence.records import Matching
from congruence.run.selections.base import Selection
from congruence.run.selections.layer import LayerConcepts
from congruence.run.selections.text import Subspace
from congruence.threads import available_threads

FACTS = frozenset({"rows", "sizes", "pair_inside", "whole", "members"})
"""What a null may ask of a concept (see `congruence.nulls.Case`); phrases have no `members`."""


@dataclass(frozen=True, eq=False)
class ConceptCell:
    """A layer pair with its concepts.

    Attributes:
        a, b: the layers.
        whole: features of the pairs that the run keeps in this cell.
        measures, nulls: what scores, and what scores are held against.
        draws: draws of each null.
        seed: the run's.
        threads: lists paired side by side; no result depends on it.
    """

    a: LayerConcepts
    b: LayerConcepts
    whole: tuple[Int[np.ndarray, " w"], Int[np.ndarray, " w"]]
    measures: Sequence[Measure]
    nulls: Sequence[Null]
    draws: int
    seed: int
    threads: int = field(default_factory=available_threads)

    @property
    def config(self) -> ConceptsConfig:
        """The section of the configuration."""
        return self.a.text.config

    @property
    def entries(self) -> int:
        """Products of rows that the lists of pairs drawn for its concepts will read, about."""
        lists = self.draws * sum(not null.repairs for null in self.nulls)
        members = [
            [len(side.members(name).features) for side in (self.a, self.b)] for name in self.a.text.subspaces
        ]
        return lists * sum(min(sizes) ** 2 for sizes in members)

    @cached_property
    def pairing(self) -> SubsetPairing:
        """Pairs features inside subsets by their activations on the corpus."""
        return self.pairing_of(self.a.columns, self.b.columns)

    def pairing_of(self, a: LayerColumns, b: LayerColumns) -> SubsetPairing:
        """The same on activations of other text."""
        return SubsetPairing(a, b, self.config.pairing.rule())

    def selection(
        self,
        concept: str,
        subspace: str,
        features: Sequence[np.ndarray],
        pairing: SubsetPairing,
        details: Mapping[str, Any],
        **facts: Any,
    ) -> "ConceptSelection":
        """A subspace for the loop.

        Args:
            concept, subspace: the rows' concept, and its kind.
            features: members of either side.
            pairing: pairs them.
            details: what every row of it says.
            **facts: of its case, besides what all concepts have.
        """
        pairs = pairing.pairs(*features)
        case = Case(
            n=len(pairs),
            seed=self.seed,
            selection=concept,
            sides=(self.a.name, self.b.name),
            rows=(self.a.rows, self.b.rows),
            pairs=(pairs.feature_a, pairs.feature_b),
            sizes=(len(features[0]), len(features[1])),
            pair_inside=partial(pairing.draws, threads=self.threads),
            whole=self.whole,
            min_pairs=self.config.min_features,
            **facts,
        )
        counts = {"features_a": len(features[0]), "features_b": len(features[1])}
        return ConceptSelection(
            concept=concept,
            subspace=subspace,
            case=case,
            measures=self.measures,
            nulls=[null for null in self.nulls if not null.missing(case)],
            draws=self.draws,
            selected=(len(features[0]), len(features[1])),
            fewest=self.config.min_features,
            details={**details, **counts, "mean_r": mean(pairs.r), "mean_cofirings": mean(pairs.cofirings)},
            matching=pairs,
        )


@dataclass(frozen=True, eq=False)
class ConceptSelection(Selection):
    """A subspace with the record of its pairs."""

    matching: Matching = field(kw_only=True)


def concept_selections(cell: ConceptCell) -> Iterator[ConceptSelection]:
    """Every single concept and union of the section in one cell."""
    for subspace in cell.a.text.subspaces.values():
        yield concept_selection(cell, subspace)


def concept_selection(cell: ConceptCell, subspace: Subspace) -> ConceptSelection:
    """One concept's features on both sides."""
    name, sides = subspace.name, (cell.a, cell.b)
    members = [side.members(name) for side in sides]
    details = {
        "keywords": len(subspace.concept),
        "keywords_in_corpus": int(np.count_nonzero(cell.a.text.counts[name])),
        "mass_a": mean(members[0].mass[members[0].features]),
        "mass_b": mean(members[1].mass[members[1].features]),
    }
    return cell.selection(
        name,
        subspace.kind,
        [found.features for found in members],
        cell.pairing,
        details,
        pools=(cell.a.eligible, cell.b.eligible),
        members=tuple(partial(side.unrelated, name, draws=cell.draws) for side in sides),
    )


def mean(values: Any) -> float:
    """Mean of the finite values; NaN where there is none."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")
