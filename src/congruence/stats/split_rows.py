"""A side laid out by token in one piece: in each row those that fire often behind the others."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from congruence.aligned import aligned
from congruence.stats.layout import Part, blocks_of, count_rows, count_silent, fill_rows, lookup
from congruence.stats.moments import Moments
from congruence.stats.scaling import Scaling
from congruence.stats.sources import Source

ENTRY = np.dtype([("rank", np.uint32), ("value", np.float32)])
"""A feature's place and scaled activation, side by side: a row is fetched from one place in memory."""


@dataclass(frozen=True)
class SplitRows:
    """Entries by token: of features that fire rarely, of those that fire often, and those due to centring.

    Attributes:
        features: (f,) the features, in order of rank; those that fire often come first.
        often: how many those are; all centred features are among them.
        begin: (n + 1,) where each token's entries begin, and the end; middle: (n,) where those of features
            that fire often begin; fire_end: (n,) where those due to centring alone begin.
        entries: (entries,) ENTRY.
    """

    features: np.ndarray
    often: int
    begin: np.ndarray
    middle: np.ndarray
    fire_end: np.ndarray
    entries: np.ndarray

    @property
    def of_all(self) -> tuple[np.ndarray, ...]:
        """What `kernels_folded` reads of all features by token."""
        return self.begin[:-1], self.fire_end, self.begin[1:], self.entries

    @property
    def of_rare(self) -> tuple[np.ndarray, ...]:
        """The same of those that fire rarely."""
        return self.begin[:-1], self.middle, self.middle, self.entries

    def part_of_often(self) -> Part:
        """A copy of those that fire often, as a part of `Rows`."""
        pointer = np.zeros(len(self.begin), np.int64)
        np.cumsum(self.begin[1:] - self.middle, out=pointer[1:])
        centred = not np.array_equal(self.fire_end, self.begin[1:])
        fire_end = pointer[:-1] + (self.fire_end - self.middle) if centred else pointer[1:]
        rank = aligned((int(pointer[-1]),), np.uint16 if self.often <= 1 << 16 else np.uint32)
        value = aligned(rank.shape, np.float32)
        copy_rows(self.middle, self.begin[1:], self.entries, rank, value)
        return self.features[: self.often], (pointer, fire_end, rank, value)


def build_split_rows(
    source: Source, moments: Moments, scaling: Scaling, rare: np.ndarray, often: np.ndarray
) -> SplitRows:
    """Lay out the given features by token, in two passes over the source.

    Memory: 8 (entries + 3 n) bytes, and 16 n + 8 for each feature of the source meanwhile.
    """
    features = np.concatenate([often, rare])
    # Two parts, as layouts by token have them, but that the rows of one lie between those of the other.
    parts = np.repeat(np.array([1, 0]), [len(often), len(rare)])
    table = lookup(features, parts, np.arange(len(features)), scaling)
    centred = often[scaling.centre[often] != 0]
    counts = np.zeros((2, moments.n + 1), np.int64)
    for start, indptr, indices, _ in blocks_of(source):
        count_rows(start, indptr, indices, table, counts)
        if len(centred):
            count_silent(start, indptr, indices, table, centred, counts)
    begin = np.cumsum(counts.sum(axis=0))
    middle = begin[:-1] + counts[0, 1:]
    del counts
    fire_end = np.zeros((1, moments.n), np.int64)
    entries = aligned((int(begin[-1]),), ENTRY)
    write_at = np.stack([begin[:-1], middle])
    for start, indptr, indices, data in blocks_of(source):
        fill_rows(
            start, indptr, indices, data, table, centred, write_at, np.array([1]), fire_end,
            entries["rank"], entries["value"],
        )  # fmt: skip
    # Where nothing is centred the two are one array, so that a row is found in one place.
    return SplitRows(features, len(often), begin, middle, fire_end[0] if len(centred) else begin[1:], entries)


@njit(cache=True, nogil=True)
def copy_rows(begin, end, entries, rank, value):
    """Write the entries begin..end of each row one behind the other, ranks and values apart."""
    at = 0
    for t in range(len(begin)):
        for p in range(begin[t], end[t]):
            rank[at], value[at] = entries[p].rank, entries[p].value
            at += 1
