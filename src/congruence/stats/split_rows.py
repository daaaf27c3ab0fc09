"""A side laid out by token in one piece: in each row those that fire often behind the others."""

from dataclasses import dataclass

import numpy as np

from congruence.aligned import aligned
from congruence.stats.layout import ENTRY, blocks_of, count_rows, count_silent, fill_rows, lookup
from congruence.stats.moments import Moments
from congruence.stats.scaling import Scaling
from congruence.stats.sources import Source


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
        """What a kernel reads of all features by token."""
        return self.begin[:-1], self.fire_end, self.begin[1:], self.entries

    @property
    def of_often(self) -> tuple[np.ndarray, ...]:
        """The same of those that fire often."""
        return self.middle, self.fire_end, self.begin[1:], self.entries

    @property
    def of_rare(self) -> tuple[np.ndarray, ...]:
        """The same of the others."""
        return self.begin[:-1], self.middle, self.middle, self.entries


def build_split_rows(
    source: Source, moments: Moments, scaling: Scaling, rare: np.ndarray, often: np.ndarray
) -> SplitRows:
    """Lay out the given features by token, in two passes over the source.

    Memory: 8 (entries + 3 n) bytes, and 16 n + 8 for each feature of the source meanwhile.
    """
    features = np.concatenate([often, rare])
    # Two parts, as layouts by token have them, but that the rows of one lie between those of the other.
    part = lookup(features, np.repeat(np.array([1, 0]), [len(often), len(rare)]), len(moments), -1, np.int32)
    place = lookup(features, np.arange(len(features)), len(moments), 0, np.uint32)
    centred = often[scaling.centre[often] != 0]
    counts = np.zeros((2, moments.n + 1), np.int64)
    for start, indptr, indices, _ in blocks_of(source):
        count_rows(start, indptr, indices, part, counts)
        if len(centred):
            count_silent(start, indptr, indices, part, centred, counts)
    begin = np.cumsum(counts.sum(axis=0))
    middle = begin[:-1] + counts[0, 1:]
    del counts
    fire_end = np.zeros((1, moments.n), np.int64)
    entries = aligned((int(begin[-1]),), ENTRY)
    write_at = np.stack([begin[:-1], middle])
    for start, indptr, indices, data in blocks_of(source):
        fill_rows(
            start, indptr, indices, data, part, place, scaling.centre, scaling.scale, centred, write_at,
            np.array([1]), fire_end, entries,
        )  # fmt: skip
    return SplitRows(features, len(often), begin, middle, fire_end[0], entries)
