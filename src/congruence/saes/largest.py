"""The k largest pre-activations of each token on a CPU, in one pass over each row.

The pass deals a row's values out to lanes and keeps the largest of each, many values at a time. A bound that
k of those reach is one that k values of the row reach, and only lanes that reach it hold such values: a few
more than k are found there, and only those are compared with each other.
"""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.threads import available_threads

STEPS, SLACK = 16, 8
"""Halvings of the bound at most, and the share of k that may reach it beyond k."""
SHORT = 100
"""Lists up to which inserting is the fastest way to sort."""
ALONE = 1 << 18
"""Values up to which a second thread isn't worth its start."""


def k_largest(
    linear: Float[np.ndarray, "n f"], shift: Float[np.ndarray, " f"], k: int, *, threads: int | None = None
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """The k largest of ``linear + shift`` of each row with their columns, by column; of equal ones the first.

    Args:
        linear: (n, f) float32, finite.
        shift: (f,) float32.
        k: 1 to f.
        threads: how many; by default one a core, where there are values enough.

    >>> values, columns = k_largest(np.float32([[3, 1, 2, 3]]), np.zeros(4, np.float32), 2)
    >>> values.tolist(), columns.tolist()
    ([[3.0, 3.0]], [[0, 3]])
    """
    if threads is None:
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
    width = 1
    while width < f and width * width < k * f:
        width *= 2
    row, lanes = np.empty(f, np.float32), np.empty(min(max(width, 2 * k), f), np.float32)
    values, columns = np.empty((n, k), dtype=np.float32), np.empty((n, k), dtype=np.int64)
    heap, place, reaching = np.empty(k, np.float32), np.empty(k, np.int64), np.empty(f + 1, np.int64)
    for i in range(n):
        _lane_maxima(linear[i], shift, row, lanes)
        found = _sorted(reaching, _reach(row, lanes, _bound(lanes, k), reaching))
        if len(found) > k:
            for j in range(k):
                heap[j], place[j] = row[found[j]], found[j]
            for j in range(k // 2 - 1, -1, -1):
                sink(heap, place, j)
            for column in found[k:]:
                if row[column] > heap[0]:
                    heap[0], place[0] = row[column], column
                    sink(heap, place, 0)
            reaching[:k] = place
            found = _sorted(reaching, k)
        for j in range(k):
            columns[i, j], values[i, j] = found[j], row[found[j]]
    return values, columns


@numba.njit(nogil=True, cache=True)
def _lane_maxima(source, shift, row, lanes):
    """``source + shift`` into `row`, and the largest of every len(lanes)-th of them into `lanes`."""
    f, width = len(row), len(lanes)
    for j in range(f):
        row[j] = source[j] + shift[j]
    lanes[:] = row[:width]
    whole = f // width * width
    for start in range(width, whole, width):
        some = row[start : start + width]
        for j in range(width):
            lanes[j] = max(lanes[j], some[j])
    for j in range(f - whole):
        lanes[j] = max(lanes[j], row[whole + j])


@numba.njit(nogil=True, cache=True)
def _bound(lanes, k):
    """A value that at least k lanes reach, and seldom many more."""
    low, high = lanes[0], lanes[0]
    for j in range(len(lanes)):
        low, high = min(low, lanes[j]), max(high, lanes[j])
    for _ in range(STEPS):
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        count = np.int32(0)
        for j in range(len(lanes)):
            count += np.int32(lanes[j] >= middle)
        if count < k:
            high = middle
        else:
            low = middle
            if SLACK * (count - k) <= k:
                break
    return low


@numba.njit(nogil=True, cache=True)
def _reach(row, lanes, least, columns):
    """Columns that reach `least`, lane after lane; gives their number. Nothing branches on a value."""
    width, count = len(lanes), 0
    for lane in range(width):
        if lanes[lane] >= least:
            for j in range(lane, len(row), width):
                columns[count] = j
                count += row[j] >= least
    return count


@numba.njit(nogil=True, cache=True)
def _sorted(columns, count):
    """The first of them, rising."""
    if count > SHORT:
        return np.sort(columns[:count])
    for i in range(1, count):
        column, at = columns[i], i
        while at > 0 and columns[at - 1] > column:
            columns[at] = columns[at - 1]
            at -= 1
        columns[at] = column
    return columns[:count]


@numba.njit(nogil=True, cache=True)
def sink(heap, place, at):
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
