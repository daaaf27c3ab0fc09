"""What the sparse engine works on: groups of both sides' features, lists of partners, runs of columns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from congruence.stats.kernels_scan import BLOCK, DISTANCE, best_partners, insert_all
from congruence.stats.layout import Columns, Part, Rows, build_columns, build_rows
from congruence.stats.prepared import PreparedActs
from congruence.stats.records import BestPartners
from congruence.stats.scaling import readable
from congruence.threads import spread

# 32,768 accumulators, means and thresholds of eight bytes are what a core's second cache holds. Where there
# are many parts, a token has few features in each, and larger parts save more than the cache does.
PART_SIZE, LARGEST_PART = 1 << 15, 1 << 16
_CHUNKS_PER_THREAD = 16
# Entries of one side laid out at a time (6 to 8 bytes each): what bounds the memory of an out-of-core run.
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

    def row_groups(self) -> Iterator[Rows]:
        """B's features by row, as many at a time as memory allows."""
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
    cost = columns.pointer * 64.0 + np.arange(len(columns.pointer)) * (cells / 8.0)
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


def sparse_best_partners(job: SparseJob, top_k: int) -> tuple[BestPartners, BestPartners]:
    """The `top_k` best partners of every feature, both ways, in one pass over the co-activations.

    Where few of the pairs ever fire together, only those are looked at; a feature that ends without `top_k`
    partners better than any silent pair could be is then held against everybody.

    Memory, in bytes, for n tokens, f and g features and t threads: 8 (entries_a + f) + 6 entries_b + 8 n
    (2 + g / part_size) + 24 k (f + g) + t part_size (26 + 24 k), entries counting what fires and, for
    features that fire on more than half of the tokens, every token; and 80 (f + g) for the moments.
    """
    lists_a = empty_lists(job.a.shape[1], top_k)
    lists_b = empty_lists(job.b.shape[1], top_k)
    listing = _few_pairs_touch(job, top_k)
    _search(job, lists_a, lists_b, listing=listing)
    if listing and not job.fewest:
        _settle_silent(job, lists_a, lists_b)
    return record(lists_a, job.measure), record(lists_b, job.measure)


def _few_pairs_touch(job: SparseJob, top_k: int) -> bool:
    """Whether touched pairs alone should fill the lists: one firing meets several times `top_k` others."""
    fires_a_token = min(side.moments.firings.sum() / side.shape[0] for side in (job.a, job.b))
    return job.kind != DISTANCE and 4 * top_k <= fires_a_token


def _search(job: SparseJob, lists_a: Lists, lists_b: Lists, *, listing: bool) -> None:
    """Offer every pair, or every pair that fires together where `listing`, to the lists of both."""
    for rows in job.row_groups():
        for columns in job.column_groups():
            best_a = of_features(lists_a, columns.features)
            for i in range(len(rows)):
                part = rows.part(i)
                best_b = of_features(lists_b, part[0])
                _search_part(job, columns, part, best_a, best_b, listing=listing)
                put_features(lists_b, part[0], best_b)
            put_features(lists_a, columns.features, best_a)


def _search_part(
    job: SparseJob, columns: Columns, part: Part, best_a: Lists, best_b: Lists, *, listing: bool
) -> None:
    """Offer the pairs of A's columns with one part of B's features."""
    features, arrays = part
    side_a, side_b = job.side_a(columns.features), job.side_b(features)
    threshold = padded(best_b[0][:, -1], np.inf)
    own = [best_b] + [empty_lists(len(features), best_b[0].shape[1]) for _ in range(job.threads - 1)]
    fires_a_token = float(job.b.moments.firings[features].sum() / job.b.shape[0])
    centred = np.flatnonzero(job.b.scaling(job.measure).centre[features] != 0).astype(np.uint16)
    how = (fires_a_token if listing else np.inf, centred)

    def work(lo: int, hi: int, thread: int) -> None:
        best_partners(
            lo, hi, job.kind, job.fewest, columns.arrays, arrays, side_a, side_b, best_a, own[thread],
            threshold, how,
        )  # fmt: skip

    run_chunks(work, columns, len(threshold), job.threads)
    for other in own[1:]:
        insert_all(*best_b, *other)


def _settle_silent(job: SparseJob, lists_a: Lists, lists_b: Lists) -> None:
    """Take anew the partners of features to whose lists a pair that never fires together might belong.

    Such a pair has the similarity -shift_a weight_b - extra_a, at most that of the least or greatest partner.
    """
    shift, weight = job.a.scaling(job.measure).shift, job.b.scaling(job.measure).weight
    order_a = job.a.varying if job.features_a is None else job.features_a
    order_b = job.b.varying if job.features_b is None else job.features_b
    open_a = order_a[_may_be_silent(lists_a, order_a, shift, weight[order_b])]
    open_b = order_b[_may_be_silent(lists_b, order_b, weight, shift[order_a])]
    if len(open_a):
        _empty(lists_a, open_a)
        _search(replace(job, features_a=open_a), lists_a, _closed(job.b, lists_a), listing=False)
    if len(open_b):
        _empty(lists_b, open_b)
        _search(replace(job, features_b=open_b), _closed(job.a, lists_b), lists_b, listing=False)


def _may_be_silent(lists: Lists, features: np.ndarray, own: np.ndarray, others: np.ndarray) -> np.ndarray:
    if not len(others):
        return np.zeros(len(features), bool)
    greatest = np.maximum(-own[features] * others.min(), -own[features] * others.max())
    return ~(lists[0][features, -1] > greatest)


def _empty(lists: Lists, features: np.ndarray) -> None:
    put_features(lists, features, empty_lists(len(features), lists[0].shape[1]))


def _closed(side: PreparedActs, lists: Lists) -> Lists:
    """Lists of a side that take no partner."""
    values, indices, counts = empty_lists(side.shape[1], lists[0].shape[1])
    return np.full_like(values, np.inf), indices, counts
