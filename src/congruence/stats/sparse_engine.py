"""What the sparse engine works on: groups of both sides' features, lists of partners, runs of columns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from congruence.stats.kernels_scan import BLOCK, insert_all
from congruence.stats.layout import Columns, Part, Rows, build_columns, build_rows
from congruence.stats.prepared import PreparedActs
from congruence.stats.records import BestPartners
from congruence.stats.scaling import readable
from congruence.stats.split_rows import SplitRows, build_split_rows
from congruence.threads import spread

# 32,768 accumulators, means and thresholds of eight bytes are what a core's second cache holds. Where there
# are many parts, a token has few features in each, and larger parts save more than the cache does.
PART_SIZE, LARGEST_PART = 1 << 15, 1 << 16
_CHUNKS_PER_THREAD = 16
# Entries of one side laid out at a time (8 bytes each): what bounds the memory of an out-of-core run.
GROUP_ENTRIES = 1 << 28

Lists = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(values, indices, counts), each (features, k), best first."""


@dataclass(frozen=True)
class SparseJob:
    """What is asked of the sparse engine.

    Attributes:
        a, b: the two sides.
        features_a, features_b: the features that take part, all of them varying; None for all that vary.
        measure: similarity.
        fewest: co-firings a pair must have; 0 admits pairs that never fire together.
        part_size: B features handled at once, at most 65,536; None for what suits their number.
        threads: threads to use.
    """

    a: PreparedActs
    b: PreparedActs
    measure: str
    features_a: np.ndarray | None = None
    features_b: np.ndarray | None = None
    fewest: int = 0
    part_size: int | None = None
    threads: int = 1

    def column_groups(self) -> Iterator[Columns]:
        """A's features by column, as many at a time as memory allows."""
        order = self.a.varying if self.features_a is None else self.features_a
        groups = _groups(order, self.a, self.measure)
        if self.features_a is None and len(groups) == 1:
            yield self.a.columns(self.measure)
            return
        scaling = self.a.scaling(self.measure)
        for features in groups:
            yield build_columns(self.a.source, self.a.moments, scaling, features)

    def part_groups(self) -> Iterator[list[Part]]:
        """B's features by row, as many at a time as memory allows, in the parts that are handled at once."""
        for rows in self._row_groups():
            yield [rows.part(i) for i in range(len(rows))]

    def split_groups(self) -> Iterator[SplitRows]:
        """All of B's features by row in one piece, as many at a time as memory allows."""
        groups = _groups(self.b.varying, self.b, self.measure)
        if len(groups) == 1:
            yield self.b.split_rows(self.measure)
            return
        scaling = self.b.scaling(self.measure)
        for features in groups:
            rare = self.b.fires_rarely(features)
            yield build_split_rows(self.b.source, self.b.moments, scaling, features[:rare], features[rare:])

    def _row_groups(self) -> Iterator[Rows]:
        order = self.b.varying if self.features_b is None else self.features_b
        groups = _groups(order, self.b, self.measure)
        if self.features_b is None and len(groups) == 1:
            yield self.b.rows(self.measure, self.features_of_part)
            return
        scaling = self.b.scaling(self.measure)
        for features in groups:
            yield build_rows(self.b.source, self.b.moments, scaling, features, self.features_of_part)

    def side_a(self, features: np.ndarray) -> tuple[np.ndarray, ...]:
        """What the kernels read of A's columns beside their entries."""
        scaling, firings = self.a.scaling(self.measure), self.a.moments.firings
        return (
            firings[features].astype(np.float64),
            scaling.shift[features],
            scaling.extra[features],
            features,
        )

    def side_b(self, features: np.ndarray) -> tuple[np.ndarray, ...]:
        """What the kernels read of B's columns beside their entries."""
        scaling, firings = self.b.scaling(self.measure), self.b.moments.firings
        return (
            padded(firings[features].astype(np.float64), 0.0),
            padded(scaling.weight[features], 0.0),
            features,
        )

    @property
    def features_of_part(self) -> int:
        """B features handled at once."""
        suits = PART_SIZE if self.b.shape[1] <= LARGEST_PART else LARGEST_PART
        return min(self.part_size or suits, LARGEST_PART)

    @property
    def kind(self) -> int:
        """How similarity follows from the sums."""
        return self.a.scaling(self.measure).kind


def run_chunks(work: Callable[[int, int, int], None], columns: Columns, cells: int, threads: int) -> None:
    """Call work(lo, hi, thread) for runs of columns of about equal cost, on `threads` threads."""
    # A scanned cell costs about an eighth of an added product; a token brings some tens of products.
    cost = (columns.pointer - columns.pointer[0]) * 64.0 + np.arange(len(columns.pointer)) * (cells / 8.0)
    cuts = np.searchsorted(cost, np.linspace(0, cost[-1], threads * _CHUNKS_PER_THREAD + 1))
    chunks = [(int(lo), int(hi)) for lo, hi in pairwise(cuts) if hi > lo]
    free = list(range(threads))

    def one(chunk: tuple[int, int]) -> None:
        thread = free.pop()
        try:
            work(*chunk, thread)
        finally:
            free.append(thread)

    spread(one, chunks, threads)


def run_with_lists(
    work: Callable[[int, int, Lists], None], columns: Columns, cells: int, threads: int, best_b: Lists
) -> None:
    """The same as work(lo, hi, lists): B's lists of a thread's own, which end up in `best_b`."""
    own = [best_b] + [empty_lists(*best_b[0].shape) for _ in range(threads - 1)]
    run_chunks(lambda lo, hi, thread: work(lo, hi, own[thread]), columns, cells, threads)
    for other in own[1:]:
        insert_all(*best_b, *other)


def empty_lists(features: int, top_k: int) -> Lists:
    """Lists without a partner yet."""
    shape = (features, top_k)
    return np.full(shape, -np.inf), np.full(shape, -1, np.int64), np.zeros(shape, np.int64)


def padded(values: np.ndarray, fill: float) -> np.ndarray:
    """Values filled up to whole blocks of the kernels."""
    out = np.full(-(-len(values) // int(BLOCK)) * int(BLOCK), fill)
    out[: len(values)] = values
    return out


def record(lists: Lists, measure: str) -> BestPartners:
    """Lists as the user reads them."""
    values, indices, counts = lists
    return BestPartners(np.where(indices >= 0, readable(values, measure), np.nan), indices, counts)


def of_features(lists: Lists, features: np.ndarray) -> Lists:
    """A copy of some features' lists."""
    values, indices, counts = lists
    return values[features], indices[features], counts[features]


def put_features(lists: Lists, features: np.ndarray, part: Lists) -> None:
    """Write some features' lists back."""
    for whole, own in zip(lists, part, strict=True):
        whole[features] = own


def _groups(order: np.ndarray, side: PreparedActs, measure: str) -> list[np.ndarray]:
    centred = side.scaling(measure).centre[order] != 0
    entries = np.cumsum(np.where(centred, side.moments.n, side.moments.firings[order]))
    if not len(order) or entries[-1] <= GROUP_ENTRIES:
        return [order]
    cuts = np.flatnonzero(np.diff(entries // GROUP_ENTRIES)) + 1
    return np.split(order, cuts)
