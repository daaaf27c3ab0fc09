"""Compiled sums over the values of a block of tokens."""

import numpy as np
from numba import njit

COUNT, PIVOT, SUM, SQUARES = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def add_entries(indices, data, sums):
    """Add a block's stored values to each feature's count, sum and sum of squares about its first value.

    `sums` (f, 4) holds COUNT, PIVOT, SUM and SQUARES side by side, one cache line a feature or less.

    Returns:
        (every value is finite, some value is negative).
    """
    finite, negative = True, False
    for p in range(len(data)):
        x = np.float64(data[p])
        finite &= np.isfinite(x)
        negative |= x < 0.0
        j = np.uint32(indices[p])
        if sums[j, COUNT] == 0.0:
            sums[j, PIVOT] = x
        d = x - sums[j, PIVOT]
        sums[j, COUNT] += 1.0
        sums[j, SUM] += d
        sums[j, SQUARES] += d * d
    return finite, negative


@njit(cache=True, nogil=True)
def add_dense(block, count, pivot, total, squares):
    """The same for every non-zero value of a dense block; sums lie apart, for vector instructions."""
    for t in range(block.shape[0]):
        for j in range(block.shape[1]):
            x = np.float64(block[t, j])
            fires = 1.0 if x != 0.0 else 0.0
            pivot[j] = x if count[j] == 0.0 else pivot[j]
            d = (x - pivot[j]) * fires
            count[j] += fires
            total[j] += d
            squares[j] += d * d


@njit(cache=True, nogil=True)
def add_squares(indices, data, out):
    """Add the squares of a block's values, rounded to float32, to each feature's sum."""
    for p in range(len(data)):
        x = np.float64(np.float32(data[p]))
        out[indices[p]] += x * x
