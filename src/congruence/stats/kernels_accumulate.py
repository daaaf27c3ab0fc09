"""Compiled co-activation sums of one A feature with every B feature of a block.

The products of A's column with B's rows are added into one row of accumulators, one cell a B feature. A cell
holds the sum s and the count c of co-firings in one float64, s + 8 c: |s| <= 2 whatever the measure, so both
come back, and one memory access serves two sums. A column of more than `FLUSH` tokens is emptied into two
plain rows in between, so that the rounding of s stays below 4e-12 a token however long the sums are.
"""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments
# An intrinsic is called without its typing context:
# pyright: reportCallIssue=false

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

_READ, _NOT_INTO_THE_FIRST_CACHE, _DATA = 0, 2, 1


@intrinsic
def prefetch(typing_context, array, index):
    """prefetch(array, index): start loading array[index]; changes no value, whatever the index."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        int32 = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [address.type],
            ir.FunctionType(ir.VoidType(), [address.type, int32, int32, int32]),
        )
        hints = [ir.Constant(int32, hint) for hint in (_READ, _NOT_INTO_THE_FIRST_CACHE, _DATA)]
        builder.call(function, [address, *hints])
        return context.get_dummy_value()

    return types.void(array, index), generate


STEP = 8.0
FLUSH = 4096
# Adding and taking away 1.5 * 2^52 rounds a float64 to the nearest integer, in two vector instructions.
ROUND = 6755399441055744.0
AHEAD = 8
_ENTRIES_A_LINE = 8


@njit(cache=True, nogil=True)
def fetch_ahead(q, last, token, rows):
    """Ask for the row some tokens after place q of a column, and for where rows further on begin.

    Rows lie all over memory: loading one while another is added up hides most of the wait. A row that doesn't
    begin with a line ends in one more than its length tells: its last entry is asked for.
    """
    row_begin, _, row_end, entries = rows
    if q + AHEAD < last:
        t = token[q + AHEAD]
        for p in range(row_begin[t], row_end[t], _ENTRIES_A_LINE):
            prefetch(entries, p)
        prefetch(entries, row_end[t] - 1)
        t = token[min(q + 2 * AHEAD, last - 1)]
        prefetch(row_begin, t)
        prefetch(row_end, t)


@njit(cache=True, nogil=True)
def _scatter_packed(begin, end, step, token, value, rows, packed):
    row_begin, row_fire, row_end, entries = rows
    for q in range(begin, end):
        fetch_ahead(q, end, token, rows)
        v = np.float64(value[q])
        t = token[q]
        for p in range(np.uint64(row_begin[t]), np.uint64(row_fire[t])):
            packed[entries[p].rank] += v * np.float64(entries[p].value) + step
        for p in range(np.uint64(row_fire[t]), np.uint64(row_end[t])):
            packed[entries[p].rank] += v * np.float64(entries[p].value)


@njit(cache=True, nogil=True)
def accumulate_listed(begin, end, token, value, rows, packed, listed):
    """Add the firings begin..end of A's column into `packed`, and list the cells as they are first met.

    From then on a cell is at least 8 - 2: it is listed once. Entries due to centring alone list none.

    Returns:
        The number of cells written to `listed`, which holds one more than `packed`.
    """
    row_begin, row_fire, row_end, entries = rows
    count = np.uint64(0)
    for q in range(begin, end):
        fetch_ahead(q, end, token, rows)
        v = np.float64(value[q])
        t = token[q]
        for p in range(np.uint64(row_begin[t]), np.uint64(row_fire[t])):
            j = entries[p].rank
            x = packed[j]
            listed[count] = j
            count += np.uint64(x == 0.0)
            packed[j] = x + (v * np.float64(entries[p].value) + STEP)
        for p in range(np.uint64(row_fire[t]), np.uint64(row_end[t])):
            packed[entries[p].rank] += v * np.float64(entries[p].value)
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
    row_begin, _, row_end, entries = rows
    for q in range(begin, end):
        v = np.float64(value[q])
        t = token[q]
        for p in range(np.uint64(row_begin[t]), np.uint64(row_end[t])):
            sums[entries[p].rank] += v * np.float64(entries[p].value)
            counts[entries[p].rank] += 1.0


@njit(cache=True, nogil=True)
def accumulate_sums(begin, end, token, value, rows, sums):
    """Add the products of entries begin..end of A's column to `sums`, in float64 and in their order."""
    row_begin, _, row_end, entries = rows
    for q in range(begin, end):
        if q + AHEAD < end:  # rows are short: what lies behind their beginning is fetched by itself
            first = row_begin[token[q + AHEAD]]
            prefetch(entries, first)
            prefetch(entries, first + _ENTRIES_A_LINE)
        v = np.float64(value[q])
        t = token[q]
        for p in range(np.uint64(row_begin[t]), np.uint64(row_end[t])):
            sums[entries[p].rank] += v * np.float64(entries[p].value)


@njit(cache=True, nogil=True)
def accumulate_counts(begin, end, token, rows, counts):
    """Count the B features that fire on each of the tokens begin..end of A's column, on which it fires."""
    row_begin, row_fire, _, entries = rows
    for q in range(begin, end):
        t = token[q]
        for p in range(np.uint64(row_begin[t]), np.uint64(row_fire[t])):
            counts[entries[p].rank] += 1
