"""Compiled co-activation sums of one A feature with every B feature of a block.

The products of A's column with B's rows are added into one row of accumulators, one cell a B feature. A cell
holds the sum s and the count c of co-firings in one float64, s + 8 c: |s| <= 2 whatever the measure, so both
come back, and one memory access serves two sums. A column of more than `FLUSH` tokens is emptied into two
plain rows in between, so that the rounding of s stays below 4e-12 a token however long the sums are.
"""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numpy as np
from numba import njit

from congruence.stats.prefetch import prefetch

STEP = 8.0
FLUSH = 4096
# Adding and taking away 1.5 * 2^52 rounds a float64 to the nearest integer, in two vector instructions.
ROUND = 6755399441055744.0
_AHEAD, _SOON = 16, 8
_RANKS_A_LINE = 32
_VALUES_A_LINE = 16


@njit(cache=True, nogil=True)
def _fetch_row(t, row_ptr, rank, row_value):
    """Rows lie all over memory: loading one while another is added up hides most of the wait.

    A row that doesn't begin with a line ends in one more than its length tells: its last entry is asked for.
    """
    begin, end = row_ptr[t], row_ptr[t + 1]
    for p in range(begin, end, _VALUES_A_LINE):
        prefetch(row_value, p)
    prefetch(row_value, end - 1)
    for p in range(begin, end, _RANKS_A_LINE):
        prefetch(rank, p)
    prefetch(rank, end - 1)


@njit(cache=True, nogil=True)
def _scatter_packed(begin, end, step, token, value, rows, packed):
    row_ptr, row_fire, rank, row_value = rows
    for q in range(begin, end):
        if q + _AHEAD < end:
            _fetch_row(token[q + _AHEAD], row_ptr, rank, row_value)
            prefetch(row_ptr, token[q + min(2 * _AHEAD, end - q - 1)])
        v = np.float64(value[q])
        t = token[q]
        for p in range(np.uint64(row_ptr[t]), np.uint64(row_fire[t])):
            packed[rank[p]] += v * np.float64(row_value[p]) + step
        for p in range(np.uint64(row_fire[t]), np.uint64(row_ptr[t + 1])):
            packed[rank[p]] += v * np.float64(row_value[p])


@njit(cache=True, nogil=True)
def accumulate_listed(begin, end, token, value, rows, packed, listed):
    """Add the firings begin..end of A's column into `packed`, and list the cells as they are first met.

    From then on a cell is at least 8 - 2: it is listed once. Entries due to centring alone list none.

    Returns:
        The number of cells written to `listed`, which holds one more than `packed`.
    """
    row_ptr, row_fire, rank, row_value = rows
    count = np.uint64(0)
    for q in range(begin, end):
        if q + _AHEAD < end:
            _fetch_row(token[q + _AHEAD], row_ptr, rank, row_value)
            prefetch(row_ptr, token[q + min(2 * _AHEAD, end - q - 1)])
        v = np.float64(value[q])
        t = token[q]
        for p in range(np.uint64(row_ptr[t]), np.uint64(row_fire[t])):
            j = rank[p]
            x = packed[j]
            listed[count] = j
            count += np.uint64(x == 0.0)
            packed[j] = x + (v * np.float64(row_value[p]) + STEP)
        for p in range(np.uint64(row_fire[t]), np.uint64(row_ptr[t + 1])):
            packed[rank[p]] += v * np.float64(row_value[p])
    return count


@njit(cache=True, nogil=True)
def _flush(packed, sums, counts):
    for j in range(len(packed)):
        c = (packed[j] * (1.0 / STEP) + ROUND) - ROUND
        sums[j] += packed[j] - STEP * c
        counts[j] += c
        packed[j] = 0.0


@njit(cache=True, nogil=True)
def accumulate_packed(begin, fire, end, token, value, rows, packed, sums, counts):
    """Add entries begin..end of A's column, of which those before `fire` are firings, into `packed`.

    `packed`, and the spare rows `sums` and `counts`, come in as zeros; the spare ones go out so too.
    """
    if end - begin <= FLUSH:
        _scatter_packed(begin, fire, STEP, token, value, rows, packed)
        _scatter_packed(fire, end, 0.0, token, value, rows, packed)
        return
    for p in range(begin, fire, FLUSH):
        _scatter_packed(p, min(p + FLUSH, fire), STEP, token, value, rows, packed)
        _flush(packed, sums, counts)
    for p in range(fire, end, FLUSH):
        _scatter_packed(p, min(p + FLUSH, end), 0.0, token, value, rows, packed)
        _flush(packed, sums, counts)
    for j in range(len(packed)):
        packed[j] = sums[j] + STEP * counts[j]
        sums[j] = 0.0
        counts[j] = 0.0


@njit(cache=True, nogil=True)
def accumulate_plain(begin, end, token, value, rows, sums, counts):
    """The same where s isn't bounded and nothing is centred: sums and counts apart."""
    row_ptr, _, rank, row_value = rows
    for q in range(begin, end):
        v = np.float64(value[q])
        t = token[q]
        for p in range(np.uint64(row_ptr[t]), np.uint64(row_ptr[t + 1])):
            sums[rank[p]] += v * np.float64(row_value[p])
            counts[rank[p]] += 1.0


@njit(cache=True, nogil=True)
def accumulate_sums(begin, end, token, value, rows, sums):
    """Add the products of entries begin..end of A's column to `sums`, in float64 and in their order."""
    row_ptr, _, rank, row_value = rows
    for q in range(begin, end):
        if q + _SOON < end:  # rows are short: what lies behind their beginning is fetched by itself
            first = row_ptr[token[q + _SOON]]
            prefetch(row_value, first)
            prefetch(row_value, first + _VALUES_A_LINE - 4)
            prefetch(rank, first)
        v = np.float64(value[q])
        t = token[q]
        for p in range(np.uint64(row_ptr[t]), np.uint64(row_ptr[t + 1])):
            sums[rank[p]] += v * np.float64(row_value[p])


@njit(cache=True, nogil=True)
def accumulate_counts(begin, end, token, rows, counts):
    """Count the B features that fire on each of the tokens begin..end of A's column, on which it fires."""
    row_ptr, row_fire, rank, _ = rows
    for q in range(begin, end):
        t = token[q]
        for p in range(np.uint64(row_ptr[t]), np.uint64(row_fire[t])):
            counts[rank[p]] += 1
