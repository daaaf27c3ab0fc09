"""The k largest pre-activations of each token on a CPU, in one pass over each row.

A row is looked at in stretches: one without a value above the k-th so far is passed over, which a processor
does many values at a time. Only the others are looked at value by value.
"""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.threads import available_threads

STRETCH = 32
ALONE = 1 << 18
"""Values up to which a second thread isn't worth its start."""


def k_largest(
    linear: Float[np.ndarray, "n f"], shift: Float[np.ndarray, " f"], k: int
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """The k largest of ``linear + shift`` of each row with their columns, by column; of equal ones the first.

    Args:
        linear: (n, f) float32, finite.
        shift: (f,) float32.
        k: 1 to f.

    >>> values, columns = k_largest(np.float32([[3, 1, 2, 3]]), np.zeros(4, np.float32), 2)
    >>> values.tolist(), columns.tolist()
    ([[3.0, 3.0]], [[0, 3]])
    """
    threads = min(available_threads(), len(linear)) if linear.size > ALONE else 1
    if threads == 1:
        return _k_largest(linear, shift, k)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda part: _k_largest(part, shift, k), np.array_split(linear, threads)))
    values, columns = zip(*parts, strict=True)
    return np.concatenate(values), np.concatenate(columns)


@numba.njit(nogil=True, cache=True)
def _k_largest(linear, shift, k):
    n, f = linear.shape
    values, columns = np.empty((n, k), dtype=np.float32), np.empty((n, k), dtype=np.int64)
    heap, place, row = np.empty(k, np.float32), np.empty(k, np.int64), np.empty(f, np.float32)
    for i in range(n):
        source = linear[i]
        for j in range(f):
            row[j] = source[j] + shift[j]
        for j in range(k):
            heap[j], place[j] = row[j], j
        for j in range(k // 2 - 1, -1, -1):
            _sink(heap, place, j)
        for start in range(k, f, STRETCH):
            stop = min(start + STRETCH, f)
            some = row[start:stop]
            above = 0
            for j in range(len(some)):
                above += some[j] > heap[0]
            if above:
                for j in range(start, stop):
                    if row[j] > heap[0]:
                        heap[0], place[0] = row[j], j
                        _sink(heap, place, 0)
        order = np.sort(place)
        for j in range(k):
            columns[i, j], values[i, j] = order[j], row[order[j]]
    return values, columns


@numba.njit(nogil=True, cache=True)
def _sink(heap, place, at):
    """Let an entry sink until what is below it is larger; of equal values the last column is on top."""
    value, column = heap[at], place[at]
    while True:
        below = 2 * at + 1
        if below >= len(heap):
            break
        other = below + 1
        if other < len(heap) and (
            heap[other] < heap[below] or (heap[other] == heap[below] and place[other] > place[below])
        ):
            below = other
        if heap[below] > value or (heap[below] == value and place[below] < column):
            break
        heap[at], place[at] = heap[below], place[below]
        at = below
    heap[at], place[at] = value, column
