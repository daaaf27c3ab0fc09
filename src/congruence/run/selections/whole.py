"""The whole space of a cell: all features of both layers, paired and filtered."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int

from congruence.filters import Filtered, Pairs, apply_filters
from congruence.matching import held_out, null_of_best_r
from congruence.matching.crosscoder import SHARED, relative_norms
from congruence.matching.subsets import Ragged
from congruence.metrics import DecoderRows
from congruence.nulls import Case
from congruence.records import Matching, PairLists
from congruence.rng import derive
from congruence.run.grid import Cell
from congruence.run.layer import Layer
from congruence.run.plan import Plan
from congruence.run.selections.base import Selection
from congruence.significance import rows_taken
from congruence.stats import halves_of_documents, rolled


@dataclass(frozen=True, eq=False)
class WholeSpace:
    """One cell's pairs of the whole space.

    Attributes:
        matching: what the matcher made.
        filtered: what the filters kept of it.
        selection: for the loop.
    """

    matching: Matching
    filtered: Filtered
    selection: Selection

    @property
    def kept(self) -> Matching:
        """The pairs that are scored."""
        return self.filtered.pairs.matching


def whole_space(cell: Cell, a: Layer, b: Layer, plan: Plan) -> WholeSpace:
    """Pair the features of two layers by their activations, and drop pairs as the filters say."""
    matching = pair(a, b, plan)
    filtered = keep_pairs(matching, a, b, plan)
    kept = filtered.pairs.matching
    selection = Selection(
        concept="all",
        subspace="all",
        case=_case(cell, a, b, kept, plan),
        measures=plan.measures,
        nulls=[plan.null],
        draws=plan.config.null.draws,
        fewest=plan.config.min_pairs,
    )
    return WholeSpace(matching, filtered, selection)


def pair(a: Layer, b: Layer, plan: Plan) -> Matching:
    """The run's pairs; where they are found on one half of the documents, r and counts are of the other."""
    pairing = plan.config.pairing
    acts_a, acts_b = a.acts, b.acts
    if pairing.split == "documents":
        first, second = halves_of_documents(b.document_offsets, plan.config.seed)
        found = plan.pair(acts_a.part(first), acts_b.part(first))
        acts_a, acts_b = acts_a.part(second), acts_b.part(second)
        matching = held_out(acts_a, acts_b, found)
    else:
        matching = plan.pair(acts_a, acts_b, **_handed(a, b, plan))
    if not pairing.null_draws:
        return plan.as_told(matching, acts_a, acts_b)
    null_r, p_r = null_of_best_r(
        acts_a,
        acts_b,
        matching,
        draws=pairing.null_draws,
        rng=derive(plan.config.seed, "best r"),
        from_=pairing.from_,
        min_cofirings=pairing.min_cofirings,
        document_offsets=b.document_offsets,
    )
    return plan.as_told(replace(matching, null_r=null_r, p_r=p_r), acts_a, acts_b)


def _handed(a: Layer, b: Layer, plan: Plan) -> dict[str, Any]:
    """What a matcher takes beside activations: decoder rows, or the features that a crosscoder shares."""
    if plan.config.pairing.method == "decoder_cosine":
        return {"rows": (a.W_dec, b.W_dec)}
    if plan.config.pairing.method != "crosscoder":
        return {}
    width = plan.config.pairing.options.get("shared", SHARED)
    return {"features": np.flatnonzero(np.abs(relative_norms(a.W_dec, b.W_dec) - 0.5) <= width)}


def pair_documents(a: Layer, b: Layer, times: np.ndarray, plan: Plan) -> Matching:
    """The pairs kept when each document counts so many times.

    Args:
        a, b: the layers.
        times: (documents,) how often each is taken.
        plan: how to pair and filter.
    """
    rows = rows_taken(times, b.document_offsets)
    acts_a, acts_b = a.acts.part(rows), b.acts.part(rows)
    found = plan.as_told(plan.pair(acts_a, acts_b), acts_a, acts_b)
    return keep_pairs(found, a, b, plan).pairs.matching


def keep_pairs(matching: Matching, a: Layer, b: Layer, plan: Plan) -> Filtered:
    """The pairs that the filters leave."""
    tokens = a.token_codes[matching.feature_a], b.token_codes[matching.feature_b]
    pairs = Pairs(matching, *tokens, a.vocabulary.strings, a.vocabulary.special)
    return apply_filters(pairs, plan.filters)


def _case(cell: Cell, a: Layer, b: Layer, kept: Matching, plan: Plan) -> Case:
    def pair_inside(subsets_a: Ragged, subsets_b: Ragged) -> PairLists:
        inside = _Inside(a, b, plan)
        return PairLists.of([inside(of_a, of_b) for of_a, of_b in zip(subsets_a, subsets_b, strict=True)])

    @cache
    def pair_shifted(start: int) -> Any:
        return plan.pair_strongest(a.acts, rolled(b.acts, -start), len(kept))

    return Case(
        n=len(kept),
        seed=plan.config.seed,
        sides=(a.name, b.name),
        rows=(DecoderRows(lambda: a.W_dec), DecoderRows(lambda: b.W_dec)),
        pairs=(kept.feature_a, kept.feature_b),
        rates=kept.firings_b,
        pools=(a.live, b.live),
        sizes=(min(len(kept), len(a.live)), min(len(kept), len(b.live))),
        pair_inside=pair_inside,
        starts=np.asarray(b.document_offsets, dtype=np.int64)[:-1],
        pair_shifted=pair_shifted,
        min_pairs=plan.config.min_pairs,
    )


@dataclass(frozen=True, eq=False)
class _Inside:
    """The run's pairing inside two sets of features."""

    a: Layer
    b: Layer
    plan: Plan

    def __call__(self, features_a: Int[np.ndarray, " p"], features_b: Int[np.ndarray, " q"]) -> Any:
        found = self.plan.pair_again(self.a.columns_of(features_a), self.b.columns_of(features_b))
        return features_a[found.feature_a], features_b[found.feature_b]
