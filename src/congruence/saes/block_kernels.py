"""What fires in a block of features on a CPU: values above a floor, or those that may be among the k largest.

Both look at runs of a row, many values at a time, and go on where no value of a run is large enough, which is
nearly everywhere: one pass over a block that is still in the cache.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from congruence.saes.largest import sink
from congruence.threads import in_runs

RUN = 64
"""Values of a row that are looked at together."""
ALONE = 1 << 16
"""Values up to which a second thread isn't worth its call."""
NO_FEATURE = np.iinfo(np.int64).max


def above(
    values: np.ndarray, floor: np.ndarray, *, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What isn't at most its column's floor, as the (data, indices, indptr) of a CSR; NaN is above all.

    Args:
        values: (n, f) float32.
        floor: (f,) float32.
        threads: how many; by default one a core, where there are values enough. The answer is the same.

    >>> above(np.float32([[1, 5], [3, 4]]), np.float32([2, 4]))[:2]
    (array([5., 3.], dtype=float32), array([1, 0], dtype=int32))
    """
    indptr = np.zeros(len(values) + 1, np.int32)
    _by_rows(lambda rows: _count_above(values[rows], floor, indptr[1:][rows]), values, threads)
    np.cumsum(indptr, out=indptr)
    data, indices = np.empty(indptr[-1], np.float32), np.empty(indptr[-1], np.int32)
    out = data, indices

    def list_(rows: slice) -> None:
        _list_above(values[rows], floor, indptr[rows.start : rows.stop + 1], out)

    _by_rows(list_, values, threads)
    return data, indices, indptr


class RunningLargest:
    """The k largest values of each row of a matrix whose columns come block after block, from the first on.

    Memory: 12 n k bytes.
    """

    def __init__(self, n: int, k: int) -> None:
        self.heaps = np.full((n, k), -np.inf, np.float32)
        self.features = np.full((n, k), NO_FEATURE)

    def add(self, values: np.ndarray, first: int, *, threads: int | None = None) -> None:
        """Columns `first`, `first` + 1, …, after all that came before.

        Args:
            values: (n, f) float32.
            first: number of the first of them.
            threads: as for :func:`above`.
        """
        _by_rows(
            lambda rows: _offer(values[rows], first, self.heaps[rows], self.features[rows]), values, threads
        )

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """(n, k) values and columns, by column; of equal ones the first.

        A place that nothing took, because fewer than k values are above -inf, is 0 of column 0.
        """
        order = np.argsort(self.features, axis=1)
        values, features = (np.take_along_axis(of, order, axis=1) for of in (self.heaps, self.features))
        nothing = features == NO_FEATURE
        return np.where(nothing, np.float32(0), values), np.where(nothing, 0, features)


def _by_rows(work: Callable[[slice], Any], values: np.ndarray, threads: int | None) -> None:
    """`work` of all rows, on several threads where there are values enough."""
    if threads is None and values.size <= ALONE:
        threads = 1
    in_runs(lambda lo, hi: work(slice(lo, hi)), len(values), threads)


@numba.njit(nogil=True, cache=True)
def _offer(values, first, heaps, features):
    n, f = values.shape
    for i in range(n):
        heap, place = heaps[i], features[i]
        for start in range(0, f, RUN):
            some, least, count = values[i, start : min(start + RUN, f)], heap[0], np.int32(0)
            for j in range(len(some)):
                count += np.int32(some[j] > least)
            if count == 0:
                continue
            for j in range(len(some)):
                if some[j] > heap[0]:
                    heap[0], place[0] = some[j], first + start + j
                    sink(heap, place, 0)


@numba.njit(nogil=True, cache=True)
def _count_above(values, floor, counts):
    n, f = values.shape
    for i in range(n):
        row, count = values[i], np.int32(0)
        for j in range(f):
            count += np.int32(not row[j] <= floor[j])
        counts[i] = count


@numba.njit(nogil=True, cache=True)
def _list_above(values, floor, indptr, out):
    (n, f), (data, indices) = values.shape, out
    for i in range(n):
        at = indptr[i]
        for start in range(0, f, RUN):
            if at == indptr[i + 1]:
                break
            some, least = values[i, start : min(start + RUN, f)], floor[start : min(start + RUN, f)]
            count = np.int32(0)
            for j in range(len(some)):
                count += np.int32(not some[j] <= least[j])
            if count == 0:
                continue
            for j in range(len(some)):
                if not some[j] <= least[j]:
                    data[at], indices[at] = some[j], start + j
                    at += 1
