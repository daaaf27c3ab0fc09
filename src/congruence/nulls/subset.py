"""Nulls that draw other features: any as many, pairs of the whole space, the features of other keywords."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from congruence.errors import InputError
from congruence.matching.subsets import Ragged
from congruence.metrics.inputs import whole_number
from congruence.nulls.base import Case, Null, enough_pairs, null
from congruence.nulls.permutations import subsets_for
from congruence.records import PairLists
from congruence.rng import derive_seed


@null
@dataclass(frozen=True)
class Subset(Null):
    """Random features of either side, as many as were selected, paired inside as the observed ones were.

    Are these features special, or would any as many do? The papers' Test 2 (Lan et al. 2024, section 3).
    The draws of a side don't depend on the other: draw d of one layer is the same in all of its cells.
    """

    name = "subset"
    title = "random features"
    hypothesis = "random features, as many and paired inside by the same matcher, score as high"
    in_words = "with random subsets of the same sizes, paired anew,"
    needs = ("rows", "sizes", "pair_inside")

    def draw(self, case: Case, numbers: range) -> PairLists:
        """Pairs inside random subsets."""
        assert case.rows is not None
        assert case.sizes is not None
        assert case.pair_inside is not None
        pools = case.pools or (None, None)
        members = [
            _pool(pool, len(rows), size, side)
            for pool, rows, size, side in zip(pools, case.rows, case.sizes, "ab", strict=True)
        ]

        def attempt(wanted: Int[np.ndarray, " m"], number: int) -> PairLists:
            of_a, of_b = (
                _subsets(pool, size, wanted, derive_seed(case.seed, side, case.selection, size, number))
                for pool, size, side in zip(members, case.sizes or (), case.sides, strict=True)
            )
            return case.pair_inside(of_a, of_b)  # pyright: ignore[reportOptionalCall]

        return enough_pairs(attempt, numbers, case.min_pairs)


@null
@dataclass(frozen=True)
class SizeMatched(Null):
    """As many pairs, drawn from those that the whole space keeps. Ours."""

    name = "size_matched"
    title = "pairs of the whole space"
    hypothesis = "as many pairs of the whole space score as high"
    in_words = "with as many pairs drawn from those of the whole space"
    needs = ("rows", "whole")

    def draw(self, case: Case, numbers: range) -> PairLists:
        """Pairs of the whole space, each at most once in a draw."""
        assert case.whole is not None
        a, b = case.whole
        if len(a) < case.n:
            raise InputError(f"the whole space has {len(a)} pairs, and {case.n} are needed")
        seed = derive_seed(case.seed, *case.sides, case.selection)
        chosen = subsets_for(seed, np.arange(numbers.start, numbers.stop), np.arange(len(a)), case.n)
        offsets = np.arange(len(numbers) + 1, dtype=np.int64) * case.n
        return PairLists(a[chosen.ravel()], b[chosen.ravel()], offsets)


@null
@dataclass(frozen=True)
class UnrelatedKeywords(Null):
    """The features of as many other words, as frequent, drawn from the corpus, and paired inside. Ours."""

    name = "unrelated_keywords"
    title = "other words as frequent"
    hypothesis = "the features of other words, as many and as frequent, score as high"
    in_words = "with the features of other words, as many and as frequent, paired anew,"
    needs = ("rows", "members", "pair_inside")

    def draw(self, case: Case, numbers: range) -> PairLists:
        """Pairs inside the features of random keyword groups."""
        assert case.members is not None
        assert case.pair_inside is not None
        of_a, of_b = case.members

        def attempt(wanted: Int[np.ndarray, " m"], number: int) -> PairLists:
            return case.pair_inside(of_a(wanted, number), of_b(wanted, number))  # pyright: ignore[reportOptionalCall]

        return enough_pairs(attempt, numbers, case.min_pairs)


def _subsets(pool: Int[np.ndarray, " e"], size: int, wanted: Int[np.ndarray, " m"], seed: int) -> Ragged:
    drawn = np.sort(subsets_for(seed, wanted, pool, size), axis=1)
    return Ragged(drawn.ravel(), np.arange(len(wanted) + 1, dtype=np.int64) * size)


def _pool(pool: Int[np.ndarray, " e"] | None, features: int, size: int, side: str) -> Int[np.ndarray, " e"]:
    members = np.arange(features) if pool is None else np.asarray(pool, dtype=np.int64)
    whole_number(f"sizes (side {side})", size, low=1, high=len(members), remedy="the features to draw from")
    return members
