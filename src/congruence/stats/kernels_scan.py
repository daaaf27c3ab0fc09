"""Compiled search of accumulator rows for best partners and for pairs above a threshold."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numpy as np
from numba import njit

from congruence.stats.kernels_accumulate import (
    FLUSH,
    ROUND,
    STEP,
    accumulate_listed,
    accumulate_packed,
    accumulate_plain,
)


@njit(cache=True, nogil=True)
def insert(values, indices, counts, row, value, index, count):
    """Put a candidate into a row's list if it belongs there; the last one drops out."""
    at = values.shape[1] - 1
    if not (value > values[row, at] or (value == values[row, at] and index < indices[row, at])):
        return
    while at > 0 and (
        value > values[row, at - 1] or (value == values[row, at - 1] and index < indices[row, at - 1])
    ):
        values[row, at] = values[row, at - 1]
        indices[row, at] = indices[row, at - 1]
        counts[row, at] = counts[row, at - 1]
        at -= 1
    values[row, at] = value
    indices[row, at] = index
    counts[row, at] = count


@njit(cache=True, nogil=True)
def insert_all(values, indices, counts, other_values, other_indices, other_counts):
    """Merge other lists of the same rows, of any length."""
    for row in range(values.shape[0]):
        for at in range(other_values.shape[1]):
            index = other_indices[row, at]
            if index >= 0:
                insert(values, indices, counts, row, other_values[row, at], index, other_counts[row, at])


@njit(cache=True, nogil=True)
def offer_to_rows(lo, hi, tile, columns, values, indices, counts):
    """Offer a tile's columns, in ascending order, to the lists of its rows lo..hi."""
    last = values.shape[1] - 1
    for i in range(lo, hi):
        worst = values[i, last]
        for j in range(tile.shape[1]):
            if tile[i, j] > worst:
                insert(values, indices, counts, i, tile[i, j], columns[j], 0)
                worst = values[i, last]


@njit(cache=True, nogil=True)
def offer_to_columns(lo, hi, tile, rows, values, indices, counts):
    """Offer a tile's rows, in ascending order, to the lists of its columns lo..hi."""
    last = values.shape[1] - 1
    worst = values[:, last].copy()
    for i in range(tile.shape[0]):
        for j in range(lo, hi):
            if tile[i, j] > worst[j]:
                insert(values, indices, counts, j, tile[i, j], rows[i], 0)
                worst[j] = values[j, last]


# How similarity comes out of sums and counts.
LINEAR, RATIO, DISTANCE = 0, 1, 2
BLOCK = np.uint64(64)
# Looking at a touched cell costs about as much as scanning four in order.
_LISTED = 4.0
# Cells are indexed by unsigned integers: a signed index may be negative, and checking that stops the compiler
# from using vector instructions. For the same reason no slice is made inside a loop.


@njit(cache=True, nogil=True)
def _add_up(c, kind, columns, rows, packed, sums, counts):
    col_ptr, col_fire, token, value = columns
    if kind == DISTANCE:
        accumulate_plain(col_ptr[c], col_ptr[c + 1], token, value, rows, sums, counts)
    else:
        accumulate_packed(col_ptr[c], col_fire[c], col_ptr[c + 1], token, value, rows, packed, sums, counts)


@njit(cache=True, nogil=True)
def similarity_of(kind, s, n, firings, shift, extra, weight, firings_b):
    """The similarity of a pair from the sum s of its scaled products and its n co-firings.

    LINEAR s - shift * weight - extra; RATIO n / (k_a + k_b - n); DISTANCE 2 s - shift * weight - extra, minus
    the square of the distance. What stands for what: `stats.scaling`.
    """
    if kind == DISTANCE:
        return 2.0 * s - shift * weight - extra
    if kind == RATIO:
        return n / (firings + firings_b - n)
    return s - shift * weight - extra


@njit(cache=True, nogil=True)
def _similarity(kind, x, s, n, firings, shift, extra, weight, firings_b):
    """(similarity, co-firings) of one cell: packed x, or s and n where they are kept apart."""
    if kind != DISTANCE:
        n = (x * (1.0 / STEP) + ROUND) - ROUND
        s = x - STEP * n
    return similarity_of(kind, s, n, firings, shift, extra, weight, firings_b), n


@njit(cache=True, nogil=True)
def _any_reaches(b, packed, shift, extra, weight, floor, fewest, threshold):
    """Whether a cell of a LINEAR block reaches its row's or its column's k-th best; eight cells at a time."""
    reached = 0
    for j in range(b, b + BLOCK):
        c = (packed[j] * (1.0 / STEP) + ROUND) - ROUND
        v = (packed[j] - STEP * c) - shift * weight[j] - extra
        reached |= ((v >= floor) | (v >= threshold[j])) & (c >= fewest)
    return reached != 0


@njit(cache=True, nogil=True)
def _offer(
    b, end, c, kind, packed, sums, counts, firings, shift, extra, index_a, firings_b, weight, index_b, fewest,
    values_a, indices_a, counts_a, values_b, indices_b, counts_b, threshold,
):  # fmt: skip
    """Offer the cells b..end of A column c to both sides' lists."""
    last = values_a.shape[1] - 1
    floor = values_a[c, last]
    for j in range(b, end):
        v, n = _similarity(
            kind, packed[j], sums[j], counts[j], firings, shift, extra, weight[j], firings_b[j]
        )
        if n < fewest or not (v >= floor or v >= threshold[j]):
            continue
        insert(values_a, indices_a, counts_a, c, v, index_b[j], n)
        floor = values_a[c, last]
        if v >= threshold[j]:
            insert(values_b, indices_b, counts_b, j, v, index_a, n)
            threshold[j] = max(threshold[j], values_b[j, last])


@njit(cache=True, nogil=True)
def offer_listed(
    listed, count, c, kind, packed, firings, shift, extra, index_a, firings_b, weight, index_b, fewest,
    values_a, indices_a, counts_a, values_b, indices_b, counts_b, threshold,
):  # fmt: skip
    """Offer the listed cells of A column c to both sides' lists, and empty them; empty ones are done with."""
    last = values_a.shape[1] - 1
    floor = values_a[c, last]
    for i in range(count):
        j = np.uint64(listed[i])
        x = packed[j]
        packed[j] = 0.0
        v, n = _similarity(kind, x, 0.0, 0.0, firings, shift, extra, weight[j], firings_b[j])
        if x == 0.0 or n < fewest or not (v >= floor or v >= threshold[j]):
            continue
        insert(values_a, indices_a, counts_a, c, v, index_b[j], n)
        floor = values_a[c, last]
        if v >= threshold[j]:
            insert(values_b, indices_b, counts_b, j, v, index_a, n)
            threshold[j] = max(threshold[j], values_b[j, last])


@njit(cache=True, nogil=True)
def best_partners(lo, hi, kind, fewest, columns, rows, side_a, side_b, best_a, best_b, threshold, listing):
    """Best partners, both ways, of the A columns lo..hi among the B columns of a block.

    columns, rows: the arrays of the layouts of A and B.
    side_a: (firings, shift, extra, original index) of each A column.
    side_b: (firings, weight, original index) of each B column, the first two padded to whole blocks.
    best_a, best_b: (values, indices, counts), each (columns, k); best_b is this thread's own.
    threshold: a lower bound of the k-th best value of each B column, padded with +inf. Threads share it: it
    only spares candidates that can't stay, so a race on it changes no answer.
    listing: (mean firings a token of these B columns, the B columns that are centred). Where few cells can be
    touched only those are offered, and the caller sees to the rest; the mean is infinite to offer all.
    """
    fires_a_token, centred = listing
    firings, shift, extra, index_a = side_a
    firings_b, weight, index_b = side_b
    values_a, indices_a, counts_a = best_a
    values_b, indices_b, counts_b = best_b
    n_b, last = np.uint64(len(index_b)), values_a.shape[1] - 1
    packed, sums, counts = np.zeros(len(weight)), np.zeros(len(weight)), np.zeros(len(weight))
    listed = np.empty(len(weight) + len(centred) + 1, rows[2].dtype)
    begin, fire, token, value = columns
    for c in range(lo, hi):
        fires = fire[c] - begin[c]
        few = fires * fires_a_token * _LISTED < len(index_b)
        if few and fires <= FLUSH and fire[c] == begin[c + 1]:
            count = accumulate_listed(begin[c], fire[c], token, value, rows, packed, listed)
            for i in range(len(centred)):
                listed[count + np.uint64(i)] = centred[i]
            offer_listed(
                listed, count + np.uint64(len(centred)), c, kind, packed, firings[c], shift[c], extra[c],
                index_a[c], firings_b, weight, index_b, fewest, values_a, indices_a, counts_a, values_b,
                indices_b, counts_b, threshold,
            )  # fmt: skip
            continue
        _add_up(c, kind, columns, rows, packed, sums, counts)
        b = np.uint64(0)
        while b < n_b:
            if kind != LINEAR or _any_reaches(
                b, packed, shift[c], extra[c], weight, values_a[c, last], fewest, threshold
            ):
                _offer(
                    b, min(b + BLOCK, n_b), c, kind, packed, sums, counts, firings[c], shift[c], extra[c],
                    index_a[c], firings_b, weight, index_b, fewest, values_a, indices_a, counts_a, values_b,
                    indices_b, counts_b, threshold,
                )  # fmt: skip
            for j in range(b, b + BLOCK):
                packed[j] = 0.0
            b += BLOCK
        if kind == DISTANCE:
            sums[:] = 0.0
            counts[:] = 0.0


@njit(cache=True, nogil=True)
def pairs_above(
    lo, hi, kind, fewest, least, columns, rows, side_a, side_b, out_column, out_rank, out_value, out_count
):
    """List the pairs of A columns lo..hi with at least `fewest` co-firings and similarity at least `least`.

    Stops before a column that might not fit. Returns (the column to go on with, pairs written).
    """
    firings, shift, extra, _ = side_a
    firings_b, weight, index_b = side_b
    n_b = np.uint64(len(index_b))
    packed, sums, counts = np.zeros(len(weight)), np.zeros(len(weight)), np.zeros(len(weight))
    at = 0
    for c in range(lo, hi):
        if at + len(index_b) > len(out_rank):
            return c, at
        _add_up(c, kind, columns, rows, packed, sums, counts)
        for j in range(np.uint64(0), n_b):
            v, n = _similarity(
                kind, packed[j], sums[j], counts[j], firings[c], shift[c], extra[c], weight[j], firings_b[j]
            )
            if v >= least and n >= fewest:
                out_column[at], out_rank[at], out_value[at], out_count[at] = c, j, v, n
                at += 1
        packed[:] = 0.0
        if kind == DISTANCE:
            sums[:] = 0.0
            counts[:] = 0.0
    return hi, at


@njit(cache=True, nogil=True)
def best_reduced(lo, hi, kind, root, least, columns, rows, side_a, side_b, prices, values, indices, counts):
    """For each A column lo..hi the B columns of greatest similarity less both prices, from `least` on.

    prices: (A columns,) and (B columns,). root: take minus the root of minus the similarity first.
    """
    firings, shift, extra, _ = side_a
    firings_b, weight, index_b = side_b
    price_a, price_b = prices
    n_b = np.uint64(len(index_b))
    packed, sums, counted = np.zeros(len(weight)), np.zeros(len(weight)), np.zeros(len(weight))
    for c in range(lo, hi):
        _add_up(c, kind, columns, rows, packed, sums, counted)
        for j in range(np.uint64(0), n_b):
            v, n = _similarity(
                kind, packed[j], sums[j], counted[j], firings[c], shift[c], extra[c], weight[j], firings_b[j]
            )
            v = (0.0 - np.sqrt(max(-v, 0.0)) if root else v) - price_a[c] - price_b[j]
            if v >= least:
                insert(values, indices, counts, c, v, index_b[j], n)
        packed[:] = 0.0
        if kind == DISTANCE:
            sums[:] = 0.0
            counted[:] = 0.0
