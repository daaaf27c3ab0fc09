"""Pairing features inside two subsets, once for what is observed and thousands of times for its nulls."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from congruence.errors import ConfigError, InputError, unknown_name
from congruence.matching.kernels_inside import (
    GREEDY,
    MANY_A,
    MANY_B,
    MUTUAL,
    fill_block,
    fill_matrix,
    pair_block,
    pair_by_columns,
    pair_by_matrix,
)
from congruence.matching.one_of_each import check_keep
from congruence.matching.subsets import LayerColumns, MeasuredColumns, Ragged
from congruence.records import Matching, PairLists
from congruence.stats.pair_correlations import similarities_of_pairs
from congruence.stats.scaling import check_measure, in_kernel_terms, readable
from congruence.stats.sparse_engine import PART_SIZE
from congruence.threads import available_threads, spread

MATRIX_ENTRIES = 1 << 24
"""Up to this many feature pairs the matrix of similarities is kept: 8 bytes each, 12 with co-firings."""

METHODS: Mapping[str, int] = {
    "many_to_one": MANY_B,
    "one_to_one": MANY_B,
    "greedy": GREEDY,
    "mutual_best": MUTUAL,
}


@dataclass(frozen=True)
class InsidePairing:
    """How features are paired inside a subspace; the result is always 1-to-1.

    Attributes:
        method: many_to_one (then 1-to-1 by `keep`), greedy or mutual_best.
        from_: the side whose features seek, for many_to_one.
        keep: of the pairs that share a feature, the best or the first by index.
        measure: pearson, cosine, euclidean or jaccard.
        min_value: keep pairs above this similarity (-inf: all).
        min_cofirings: keep pairs that fire together on at least so many tokens.
    """

    method: str = "many_to_one"
    from_: Literal["a", "b"] = "b"
    keep: Literal["best", "first"] = "best"
    measure: str = "pearson"
    min_value: float = -np.inf
    min_cofirings: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(unknown_name("pairing method inside a concept", self.method, METHODS))
        check_measure(self.measure)
        check_keep(self.keep)

    @property
    def codes(self) -> tuple[int, bool, float, int]:
        """As the compiled loops take it."""
        code = METHODS[self.method]
        if code == MANY_B and self.from_ == "a":
            code = MANY_A
        return (
            code,
            self.keep == "first",
            in_kernel_terms(self.min_value, self.measure),
            int(self.min_cofirings),
        )

    @property
    def seeker(self) -> str:
        """The side whose features' margins the record gives."""
        return self.from_ if METHODS[self.method] == MANY_B else "a"

    @property
    def counts(self) -> bool:
        """Whether the pairs depend on co-firings."""
        return self.measure == "jaccard" or self.min_cofirings > 0


class SubsetPairing:
    """Pairs features of two layers inside any subsets, by the similarities of `stats.scaling`.

    Where f·g is at most 2^24 the whole matrix of similarities is made once (8 f g bytes; 12 where the pairs
    depend on co-firings) and subsets are read from it; otherwise each subset is correlated from its own
    features' firings. Both give the same bits, for any number of threads. Beside that it holds the layout by
    feature of either side, 8 bytes an entry, and the one by token of side b, which `congruence.stats` shares.
    """

    def __init__(self, a: LayerColumns, b: LayerColumns, how: InsidePairing) -> None:
        if a.n != b.n:
            raise InputError(f"side a has {a.n} tokens and side b {b.n}: give both sides the same tokens")
        self.a, self.b, self.how = a, b, how
        self._matrix: Any = None

    @cached_property
    def _sides(self) -> tuple[MeasuredColumns, MeasuredColumns]:
        return MeasuredColumns.of(self.a, self.how.measure), MeasuredColumns.of(self.b, self.how.measure)

    @property
    def _terms(self) -> tuple[Any, ...]:
        """What the kernels read of both sides beside their entries."""
        a, b = self._sides
        kind = self.a.acts.scaling(self.how.measure).kind
        return kind, (a.firings, a.shift, a.extra), (b.firings, b.weight)

    def pairs(self, features_a: Int[np.ndarray, " p"], features_b: Int[np.ndarray, " q"]) -> Matching:
        """The pairs inside two subsets, in the order in which they were found; dead features are left out.

        Margin and `mutual` are told among the features of the subsets.
        """
        numbers_a, numbers_b = (
            side.numbered(Ragged.of([np.asarray(features)])).values
            for side, features in zip(self._sides, (features_a, features_b), strict=True)
        )
        block, together = self._block(numbers_a, numbers_b)
        row = column = np.empty(0, np.int64)
        if block.size:
            row, column = pair_block(block, together, *self.how.codes)
        return self._record(
            (numbers_a, numbers_b),
            (row, column),
            readable(block, self.how.measure),
            unmatched={"a": len(features_a) - len(numbers_a), "b": len(features_b) - len(numbers_b)},
        )

    def draws(self, subsets_a: Ragged, subsets_b: Ragged, *, threads: int = 1) -> PairLists:
        """The pairs inside each of many pairs of subsets: list d is that of the subsets d.

        Raises:
            InputError: there aren't as many subsets of one side as of the other.
        """
        if len(subsets_a) != len(subsets_b):
            raise InputError(
                f"{len(subsets_a)} subsets of side a and {len(subsets_b)} of b: give as many of each"
            )
        self._prepare(len(subsets_a))
        cuts = np.linspace(0, len(subsets_a), max(1, min(threads, len(subsets_a))) + 1).astype(int)
        parts = [slice(low, high) for low, high in pairwise(cuts.tolist())]
        if len(parts) == 1:
            return self._run(subsets_a, subsets_b)
        return PairLists.joined(
            spread(lambda part: self._run(_part(subsets_a, part), _part(subsets_b, part)), parts, threads)
        )

    def _run(self, subsets_a: Ragged, subsets_b: Ragged) -> PairLists:
        a, b = self._sides
        numbers_a, numbers_b = a.numbered(subsets_a), b.numbered(subsets_b)
        lists = (numbers_a.values, numbers_a.offsets, numbers_b.values, numbers_b.offsets)
        if self._matrix is not None:
            inputs: tuple[Any, ...] = (*self._matrix, *lists, *self.how.codes, self.how.counts)
            found = pair_by_matrix(*inputs)
        else:
            of_sides = (a.columns.arrays, b.columns.arrays, self.a.n)
            inputs = (*of_sides, *self._terms, *lists, *self.how.codes, self.how.counts)
            found = pair_by_columns(*inputs)
        return PairLists(a.columns.features[found[0]], b.columns.features[found[1]], found[2])

    def _block(self, numbers_a: np.ndarray, numbers_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Similarities of some features of A with some of B, and co-firings where pairs depend on them."""
        a, b = self._sides
        together = np.zeros((len(numbers_a), len(numbers_b)), np.int64)
        if self._matrix is not None:
            values, counts = self._matrix
            at = np.ix_(numbers_a, numbers_b)
            return values[at], counts[at].astype(np.int64) if self.how.counts else together
        block, head = np.zeros(together.shape), np.full(self.a.n, -1, np.int32)
        of_sides = (a.columns.arrays, b.columns.arrays, numbers_a, numbers_b, head)
        inputs: tuple[Any, ...] = (*of_sides, *self._terms, block, together, self.how.counts)
        fill_block(*inputs)
        return block, together

    def _cofirings(self, numbers_a: np.ndarray, numbers_b: np.ndarray) -> Int[np.ndarray, " p"]:
        """Tokens on which both features of each pair fire."""
        a, b = self._sides
        order = np.argsort(numbers_b, kind="stable")
        values, counts = np.zeros(len(order)), np.zeros(len(order), np.int64)
        at = (0, len(order), numbers_a[order], numbers_b[order])
        inputs: tuple[Any, ...] = (
            *(*at, a.columns.arrays, b.columns.arrays, self.a.n),
            *(*self._terms, values, counts),
        )
        similarities_of_pairs(*inputs)
        found = np.empty_like(counts)
        found[order] = counts
        return found

    def _prepare(self, draws: int) -> None:
        """Lay both sides out, and make the matrix where it is small enough and worth it."""
        a, b = self._sides
        small = len(a.firings) * len(b.firings) <= MATRIX_ENTRIES and len(b.firings) <= PART_SIZE
        if self._matrix is None and small and draws > 1:
            self._matrix = self._whole_matrix()

    def _whole_matrix(self) -> tuple[np.ndarray, np.ndarray]:
        a, b = self._sides
        shape = (len(a.firings), len(b.firings))
        values, counts = np.zeros(shape), np.zeros(shape if self.how.counts else (0, 0), dtype=np.int32)
        columns, rows = a.columns.arrays, self.b.rows(self.how.measure)

        def fill(some: Int[np.ndarray, " c"]) -> None:
            inputs: tuple[Any, ...] = (some, columns, rows, *self._terms, values, counts, self.how.counts)
            fill_matrix(*inputs)

        chosen = np.flatnonzero(self.a.alive[a.columns.features])
        entries = np.cumsum(np.diff(a.columns.pointer)[chosen])
        threads = available_threads()
        shares = np.linspace(0, entries[-1] if len(chosen) else 0, 4 * threads + 1)[1:-1]
        spread(fill, np.split(chosen, np.searchsorted(entries, shares)), threads)
        return values, counts

    def _record(
        self,
        numbers: tuple[np.ndarray, np.ndarray],
        at: tuple[np.ndarray, np.ndarray],
        block: np.ndarray,
        *,
        unmatched: Mapping[str, int],
    ) -> Matching:
        row, column = at
        feature_a = self._sides[0].columns.features[numbers[0][row]]
        feature_b = self._sides[1].columns.features[numbers[1][column]]
        r = block[row, column]
        others = block.T[column] if self.how.seeker == "b" else block[row]
        mutual = np.zeros(0, dtype=bool)
        if block.size:
            mutual = (block.argmax(axis=1)[row] == column) & (block.argmax(axis=0)[column] == row)
        return Matching(
            method=self.how.method,
            feature_a=feature_a,
            feature_b=feature_b,
            r=r,
            firings_a=self.a.acts.moments.firings[feature_a],
            firings_b=self.b.acts.moments.firings[feature_b],
            cofirings=self._cofirings(numbers[0][row], numbers[1][column]),
            margin=_margins(r, others, row if self.how.seeker == "b" else column),
            mutual=mutual,
            objective="similarity inside two subsets, each feature once",
            total=float(r.sum()),
            measure=self.how.measure,
            unmatched=unmatched,
        )


def _margins(r: np.ndarray, others: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Each pair's r minus the best of its seeker's similarities to others; NaN where there is none."""
    if others.shape[1] < 2:
        return np.full(len(r), np.nan)
    others = others.copy()
    others[np.arange(len(r)), partner] = -np.inf
    return r - others.max(axis=1)


def _part(lists: Ragged, part: slice) -> Ragged:
    offsets = lists.offsets[part.start : part.stop + 1]
    return Ragged(lists.values[offsets[0] : offsets[-1]], offsets - offsets[0])
