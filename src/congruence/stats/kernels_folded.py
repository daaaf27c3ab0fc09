"""Compiled search for best partners among very many features: bounds first, sums only where they may matter.

A column of A that fires on a few tokens meets thousands of B's features, most of them once, all over an array
of accumulators that no near cache holds; and hardly any of them is anybody's best partner. So the absolute
products of the column are first added up on few cells, each shared by all features whose ranks agree in their
last bits: a cell is at least the sum of any feature that shares it, and the similarity of non-negative
activations is at most that sum. Cells that reach neither the column's k-th best nor that of any feature which
shares them are done with. The entries behind the others are gone through once more, and added up exactly.
"""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numpy as np
from numba import njit

from congruence.stats.kernels_accumulate import STEP
from congruence.stats.kernels_scan import LINEAR, offer_listed
from congruence.stats.prefetch import prefetch, prefetch_far

_AHEAD, _ENTRIES_A_LINE = 8, 8
_FEWEST_CELLS, _MOST_CELLS = 1 << 11, 1 << 16
# Products a cell: more of them bound less, and fewer are more cells to look through.
_PRODUCTS_A_CELL = 4
# Entries gathered before they are added up: by then their accumulators are on the way.
_ROOM = 1 << 14
# Every addition rounds a bound by as much as this, and sums by less than the slack: bounds are taken higher.
_ROUNDING, _SLACK = 6e-8, np.float32(1e-6)
# Rows of more entries than this have left the second cache when they are gone through once more.
_CACHED_ENTRIES = 1 << 15
# Where nothing is known of a column's partners, cells above so much of the largest are looked at first.
_FIRST_LEVEL = np.float32(0.7)


@njit(cache=True, nogil=True)
def best_partners_folded(lo, hi, fewest, columns, rows, side_a, side_b, best_a, best_b, threshold):
    """Best partners, both ways, of the A columns lo..hi among B, as `best_partners` finds them.

    Offered are pairs whose accumulator is touched: all that fire together, and those of centred features. No
    activation of either side is negative, and similarity is LINEAR. The sums of a pair are those of at most
    FLUSH tokens: one of the two fires on no more.

    columns, rows, side_a, side_b, best_a, best_b: as there.
    threshold: (B columns,) a lower bound of each one's k-th best value, shared by threads.
    """
    firings, shift, extra, index_a = side_a
    firings_b, weight, index_b = side_b
    values_a, indices_a, counts_a = best_a
    values_b, indices_b, counts_b = best_b
    begin, fire, token, value = columns
    last, n_b = values_a.shape[1] - 1, len(threshold)
    packed, listed = np.zeros(n_b), np.empty(n_b + 1, np.uint32)
    room = (np.empty(_ROOM + n_b + 1, np.uint32), np.empty(_ROOM + n_b + 1))
    folded, marks = np.empty(_MOST_CELLS, np.float32), np.empty(_MOST_CELLS, np.bool_)
    bars = np.empty(2 * _MOST_CELLS, np.float32)
    level = np.empty(1, np.float32)
    # Floats that aren't negative are in the order of their bits, and integers are compared eight at a time.
    folded_bits, bars_bits, level_bits = folded.view(np.int32), bars.view(np.int32), level.view(np.int32)
    least, greatest = weight.min(), weight.max()
    looked_at = n_b
    for c in range(lo, hi):
        if looked_at >= n_b >> 2:
            fold_bars(threshold, bars)
            looked_at = 0
        products = count_products(begin[c], begin[c + 1], token, rows)
        cells = _FEWEST_CELLS
        while cells < _MOST_CELLS and cells * _PRODUCTS_A_CELL < products:
            cells *= 2
        mask = np.uint64(cells - 1)
        # What is taken off a sum is below zero where rounding left a centred mean a little too high.
        folded[:cells] = max(-min(shift[c] * least, shift[c] * greatest), 0.0)
        above = np.float32(1.0 + _ROUNDING * (products + 4))
        fold(begin[c], begin[c + 1], token, value, rows, above, folded, mask)
        floor = values_a[c, last]
        if floor > -np.inf:
            level[0] = max(np.float32(floor) - _SLACK, np.float32(0.0))
        else:
            level_bits[0] = largest(folded_bits, cells)
            level[0] *= _FIRST_LEVEL
            while level[0] > _SLACK and reaching(folded_bits, cells, level_bits[0]) <= last:
                level[0] *= _FIRST_LEVEL
        while mark(folded_bits, marks, cells, bars_bits, level_bits[0]):
            count = np.uint64(0)
            for p, end, more in ((begin[c], fire[c], STEP), (fire[c], begin[c + 1], 0.0)):
                count = add_marked(
                    p, end, more, token, value, rows, products > _CACHED_ENTRIES, marks, mask, room, packed,
                    weight, threshold, listed, count,
                )  # fmt: skip
            looked_at += np.int64(count)
            offer_listed(
                listed, count, c, LINEAR, packed, firings[c], shift[c], extra[c], index_a[c], firings_b,
                weight, index_b, fewest, values_a, indices_a, counts_a, values_b, indices_b, counts_b,
                threshold,
            )  # fmt: skip
            floor = values_a[c, last]
            level[0] = max(np.float32(floor) - _SLACK, np.float32(0.0))


@njit(cache=True, nogil=True)
def fold_bars(threshold, bars):
    """The least threshold behind each cell, for `cells` cells in bars[cells : 2 * cells], none below zero."""
    bars[:] = np.inf
    most = len(bars) >> 1
    for j in range(len(threshold)):
        bar = max(np.float32(threshold[j]) - _SLACK, np.float32(0.0))
        cell = most + (j & (most - 1))
        bars[cell] = min(bars[cell], bar)
    cells = most
    while cells > _FEWEST_CELLS:
        cells >>= 1
        for cell in range(cells, 2 * cells):
            bars[cell] = min(bars[cell + cells], bars[cell + 2 * cells])


@njit(cache=True, nogil=True)
def count_products(begin, end, token, rows):
    """Products of a column: entries of the rows of its tokens."""
    row_begin, _, row_end, _ = rows
    products = np.int64(0)
    for q in range(begin, end):
        products += row_end[token[q]] - row_begin[token[q]]
    return products


@njit(cache=True, nogil=True)
def _fetch_ahead(q, token, rows):
    """Ask for the row of the token at place q, and for where rows further on begin; any place is safe.

    Rows lie all over memory: loading one while another is added up hides most of the wait. A row that doesn't
    begin with a line ends in one more than its length tells: its last entry is asked for.
    """
    row_begin, row_fire, row_end, entries = rows
    if q < len(token):
        t = token[q]
        for p in range(row_begin[t], row_end[t], _ENTRIES_A_LINE):
            prefetch_far(entries, p)
        prefetch_far(entries, row_end[t] - 1)
        t = token[min(q + _AHEAD, len(token) - 1)]
        prefetch_far(row_begin, t)  # where a row ends lies beside where it, or its centred part, begins
        prefetch_far(row_fire, t)


@njit(cache=True, nogil=True)
def fold(begin, end, token, value, rows, above, folded, mask):
    """Add the absolute products of entries begin..end of a column, `above` times, to the cells they share."""
    row_begin, _, row_end, entries = rows
    for q in range(begin, end):
        _fetch_ahead(q + _AHEAD, token, rows)
        v = abs(value[q]) * above
        t = token[q]
        for p in range(np.uint64(row_begin[t]), np.uint64(row_end[t])):
            folded[np.uint64(entries[p].rank) & mask] += v * abs(entries[p].value)


@njit(cache=True, nogil=True)
def largest(folded, cells):
    """The largest of some cells."""
    most = np.int32(0)
    for j in range(np.uint64(cells)):
        most = max(most, folded[j])
    return most


@njit(cache=True, nogil=True)
def reaching(folded, cells, level):
    """How many cells reach a level."""
    count = np.int32(0)
    for j in range(np.uint64(cells)):
        count += np.int32(folded[j] >= level)
    return count


@njit(cache=True, nogil=True)
def mark(folded, marks, cells, bars, level):
    """Mark the cells that reach the level or their bar, and put them below any, so that each is marked once.

    Returns:
        How many are marked.
    """
    count, own = np.int32(0), np.uint64(cells)
    for j in range(own):
        x = folded[j]
        reaches = (x >= level) | (x >= bars[own + j])
        marks[j] = reaches
        folded[j] = -1 if reaches else x
        count += np.int32(reaches)
    return count


@njit(cache=True, nogil=True)
def add_marked(
    begin, end, step, token, value, rows, far, marks, mask, room, packed, weight, threshold, listed, count
):
    """Add the products behind marked cells into `packed`, as `accumulate_listed` adds and lists all of them.

    far: rows have left the caches. room: for what is gathered before it is added up.
    """
    row_begin, row_fire, row_end, entries = rows
    rank, product = room
    found = np.uint64(0)
    for q in range(begin, end):
        if far:
            _fetch_ahead(q + _AHEAD, token, rows)
        t = token[q]
        before, v = found, np.float64(value[q])
        for p in range(np.uint64(row_begin[t]), np.uint64(row_fire[t])):
            rank[found] = entries[p].rank
            product[found] = v * np.float64(entries[p].value) + step
            found += np.uint64(marks[np.uint64(entries[p].rank) & mask])
        for p in range(np.uint64(row_fire[t]), np.uint64(row_end[t])):
            rank[found] = entries[p].rank
            product[found] = v * np.float64(entries[p].value)
            found += np.uint64(marks[np.uint64(entries[p].rank) & mask])
        for i in range(before, found):
            prefetch(packed, rank[i])
            prefetch(weight, rank[i])
            prefetch(threshold, rank[i])
        if found >= _ROOM:
            count = _add(rank, product, found, packed, listed, count)
            found = np.uint64(0)
    return _add(rank, product, found, packed, listed, count)


@njit(cache=True, nogil=True)
def _add(rank, product, found, packed, listed, count):
    for i in range(found):
        j = np.uint64(rank[i])
        x = packed[j]
        listed[count] = j
        count += np.uint64((x == 0.0) & (count < len(packed)))
        packed[j] = x + product[i]
    return count
