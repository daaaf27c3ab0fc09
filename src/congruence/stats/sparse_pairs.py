"""Listing pairs of features from the co-activations."""

import threading
from dataclasses import dataclass

import numpy as np

from congruence.errors import InputError
from congruence.stats.kernels_scan import best_reduced, pairs_above
from congruence.stats.layout import Columns, Part
from congruence.stats.scaling import readable
from congruence.stats.sparse_engine import (
    Lists,
    SparseJob,
    empty_lists,
    of_features,
    put_features,
    run_chunks,
)

_BUFFER_PAIRS = 1 << 18


@dataclass(frozen=True)
class Pairs:
    """Pairs of features in no order.

    Attributes:
        feature_a, feature_b: (p,) int32.
        values: (p,) float64 similarity.
        cofirings: (p,) int32 tokens on which both fire.
    """

    feature_a: np.ndarray
    feature_b: np.ndarray
    values: np.ndarray
    cofirings: np.ndarray

    def __len__(self) -> int:
        return len(self.feature_a)

    @staticmethod
    def concatenated(parts: "list[Pairs]") -> "Pairs":
        """All pairs of several lists."""
        empty = np.empty(0, np.int32)
        parts = parts or [Pairs(empty, empty, np.empty(0), empty)]
        return Pairs(
            np.concatenate([part.feature_a for part in parts]),
            np.concatenate([part.feature_b for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.cofirings for part in parts]),
        )


class PairBudget:
    """Counts pairs, from any thread, and refuses more than were bargained for."""

    def __init__(self, max_pairs: int) -> None:
        self.max_pairs = max_pairs
        self.found = 0
        self._lock = threading.Lock()

    def spend(self, pairs: int) -> None:
        """Add `pairs`.

        Raises:
            InputError: more than `max_pairs` in all.
        """
        with self._lock:
            self.found += pairs
            if self.found > self.max_pairs:
                raise InputError(
                    f"more than max_pairs = {self.max_pairs} pairs reach the threshold: raise the threshold, "
                    "or max_pairs (20 bytes a pair)"
                )


def sparse_pairs(job: SparseJob, *, least: float, max_pairs: int) -> Pairs:
    """All pairs with similarity at least `least` and `job.fewest` co-firings; 20 bytes a pair.

    `least` is in the kernel's terms: minus the squared distance where the measure is euclidean.
    """
    budget = PairBudget(max_pairs)
    found: list[Pairs] = []
    for parts in job.part_groups():
        for columns in job.column_groups():
            for part in parts:
                found += _pairs_of_part(job, columns, part, least, budget)
    return Pairs.concatenated(found)


def _pairs_of_part(
    job: SparseJob, columns: Columns, part: Part, least: float, budget: PairBudget
) -> list[Pairs]:
    features, rows = part
    side_a, side_b = job.side_a(columns.features), job.side_b(features)
    size = max(_BUFFER_PAIRS, len(features))
    buffers = [
        (np.empty(size, np.int32), np.empty(size, np.uint16), np.empty(size), np.empty(size, np.int32))
        for _ in range(job.threads)
    ]
    found: list[Pairs] = []

    def work(lo: int, hi: int, thread: int) -> None:
        while lo < hi:
            lo, count = pairs_above(
                lo, hi, job.kind, job.fewest, least, columns.arrays, rows, side_a, side_b, *buffers[thread]
            )
            budget.spend(count)
            column, rank, values, counts = buffers[thread]
            feature_a = columns.features[column[:count]].astype(np.int32)
            feature_b = features[rank[:count]].astype(np.int32)
            found.append(
                Pairs(feature_a, feature_b, readable(values[:count], job.measure), counts[:count].copy())
            )

    run_chunks(work, columns, len(features), job.threads)
    return found


Prices = tuple[np.ndarray, np.ndarray]
"""(f,) of A's features and (g,) of B's."""


def best_above_prices(
    job: SparseJob, price_a: np.ndarray, price_b: np.ndarray, *, top_k: int, least: float
) -> Lists:
    """For each A feature the B features whose similarity exceeds the sum of both prices most.

    Args:
        job: the sides and the measure.
        price_a, price_b: (f,) and (g,).
        top_k: B features to list for each A feature.
        least: smallest excess that is listed.

    Returns:
        (excess, indices, co-firings), each (f, top_k), best first; index -1 where there is no further one.
    """
    lists = empty_lists(job.a.shape[1], top_k)
    for parts in job.part_groups():
        for columns in job.column_groups():
            own = of_features(lists, columns.features)
            for part in parts:
                _offer_part(job, columns, part, (price_a, price_b), own, least=least)
            put_features(lists, columns.features, own)
    return lists


def _offer_part(
    job: SparseJob, columns: Columns, part: Part, prices: Prices, own: Lists, *, least: float
) -> None:
    features, rows = part
    side_a, side_b = job.side_a(columns.features), job.side_b(features)
    of_pair = prices[0][columns.features], prices[1][features]
    root = job.measure == "euclidean"

    def work(lo: int, hi: int, _: int) -> None:
        best_reduced(lo, hi, job.kind, root, least, columns.arrays, rows, side_a, side_b, of_pair, *own)

    run_chunks(work, columns, len(features), job.threads)
