"""Compiled loops over many subsets: the similarities of two subsets, and the pairs in them."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numba
import numpy as np

from congruence.matching.one_of_each import take_free
from congruence.stats.kernels_accumulate import accumulate_counts, accumulate_sums
from congruence.stats.kernels_scan import LINEAR, similarity_of

MANY_B, MANY_A, GREEDY, MUTUAL = 0, 1, 2, 3


@numba.njit(nogil=True, cache=True)
def entries_of_some(row_ptr, row_fire, rank, row_value, keep):
    """One part of a layout by token with the entries of the ranks kept alone; ranks stay what they are."""
    pointer, fire_end = np.zeros_like(row_ptr), np.empty_like(row_fire)
    ranks, values = np.empty_like(rank), np.empty_like(row_value)
    at = 0
    for t in range(len(row_ptr) - 1):
        for p in range(row_ptr[t], row_fire[t]):
            ranks[at], values[at] = rank[p], row_value[p]
            at += keep[rank[p]]
        fire_end[t] = at
        for p in range(row_fire[t], row_ptr[t + 1]):
            ranks[at], values[at] = rank[p], row_value[p]
            at += keep[rank[p]]
        pointer[t + 1] = at
    return pointer, fire_end, ranks[:at].copy(), values[:at].copy()


@numba.njit(nogil=True, cache=True)
def fill_matrix(chosen, columns_a, rows_b, kind, side_a, side_b, values, counts, counted):
    """Write the similarities of some columns of A with all of B; co-firings only where `counted`.

    Both start at 0; `rows_b` is one part of a layout by token, its features in the order of B's columns.
    """
    pointer, fire_end, token, value = columns_a
    nothing = np.zeros(values.shape[1], np.int32)
    for c in chosen:
        together = counts[c] if counted else nothing
        accumulate_sums(pointer[c], pointer[c + 1], token, value, rows_b, values[c])
        if counted:
            accumulate_counts(pointer[c], fire_end[c], token, rows_b, together)
        _into_similarities(kind, c, side_a, side_b, values[c], together)


@numba.njit(nogil=True, cache=True)
def _into_similarities(kind, c, side_a, side_b, sums, counts):
    """Turn a row's sums of products into similarities, in the terms of `similarity_of`."""
    firings_a, shift, extra = side_a
    firings_b, weight = side_b
    if kind == LINEAR:  # the same of many at once
        own_shift, own_extra = shift[c], extra[c]
        for j in range(len(weight)):
            sums[j] = sums[j] - own_shift * weight[j] - own_extra
        return
    for j in range(len(weight)):
        sums[j] = similarity_of(
            kind, sums[j], np.float64(counts[j]), firings_a[c], shift[c], extra[c], weight[j], firings_b[j]
        )


@numba.njit(nogil=True, cache=True)
def fill_block(columns_a, columns_b, a, b, head, kind, side_a, side_b, block, together, counted):
    """Write the similarities of some columns of A with some of B; co-firings only where `counted`.

    `head` (n,) int32 is scratch, all -1, and `together` 0. A chain of entries for each token stands in for a
    layout by token: two subsets have few entries, and no array as long as the tokens is walked. The entries
    of a column that meet any are picked out before they are multiplied, without a branch: which do can't be
    foreseen. Sums are taken in the order of A's entries, as in `fill_matrix`: the same bits.
    """
    pointer_a, fire_a, token_a, value_a = columns_a
    following, owner, value, fires = _chains(columns_b, b, head, counted)
    block[: len(a), : len(b)] = 0.0
    if counted:
        together[: len(a), : len(b)] = 0
    longest = 0
    for c in a:
        longest = max(longest, pointer_a[c + 1] - pointer_a[c])
    first, place = np.empty(longest, np.int32), np.empty(longest, np.int64)
    side_of_b = (side_b[0][b], side_b[1][b])
    for i in range(len(a)):
        c = a[i]
        row, row_together = block[i], together[i]
        meeting = 0
        for k in range(pointer_a[c], pointer_a[c + 1]):
            entry = head[token_a[k]]
            first[meeting], place[meeting] = entry, k
            meeting += entry >= 0
        for m in range(meeting):
            k, entry = place[m], first[m]
            x, fires_a = np.float64(value_a[k]), k < fire_a[c]
            while entry >= 0:
                row[owner[entry]] += x * np.float64(value[entry])
                if counted:
                    row_together[owner[entry]] += fires_a & fires[entry]
                entry = following[entry]
        _into_similarities(kind, c, side_a, side_of_b, row, row_together)
    pointer_b, _, token_b, _ = columns_b
    for c in b:
        for k in range(pointer_b[c], pointer_b[c + 1]):
            head[token_b[k]] = -1


@numba.njit(nogil=True, cache=True)
def _chains(columns, chosen, head, counted):
    """For each token the entries of the chosen columns, one pointing to the next; `head` has the first."""
    pointer, fire_end, token, value = columns
    entries = 0
    for c in chosen:
        entries += pointer[c + 1] - pointer[c]
    following, owner = np.empty(entries, np.int32), np.empty(entries, np.int32)
    values, fires = np.empty(entries, np.float32), np.empty(entries if counted else 0, np.bool_)
    start = 0
    for j in range(len(chosen)):
        first, width = pointer[chosen[j]], pointer[chosen[j] + 1] - pointer[chosen[j]]
        own = token[first : first + width]
        to = following[start : start + width]
        for k in range(width):
            to[k] = head[own[k]]
            head[own[k]] = start + k
        owner[start : start + width] = j
        values[start : start + width] = value[first : first + width]
        if counted:
            firing = fire_end[chosen[j]] - first
            fires[start : start + firing] = True
            fires[start + firing : start + width] = False
        start += width
    return following, owner, values, fires


@numba.njit(nogil=True, cache=True)
def pair_by_matrix(
    values, counts, lists_a, offsets_a, lists_b, offsets_b, method, keep_first, min_value, min_count, counted
):
    """Pairs inside each pair of subsets, read from the whole matrix; co-firings only where `counted`."""
    p, q, room = _sizes(offsets_a, offsets_b)
    block, together = np.empty((p, q)), np.zeros((p, q), dtype=np.int64)
    out = _outputs(room, len(offsets_a))
    for d in range(len(offsets_a) - 1):
        a = lists_a[offsets_a[d] : offsets_a[d + 1]]
        b = lists_b[offsets_b[d] : offsets_b[d + 1]]
        for i in range(len(a)):
            row, to = values[a[i]], block[i]
            for j in range(len(b)):
                to[j] = row[b[j]]
        if counted:
            for i in range(len(a)):
                row_counts, to_counts = counts[a[i]], together[i]
                for j in range(len(b)):
                    to_counts[j] = row_counts[b[j]]
        _pair_into(d, a, b, block, together, method, keep_first, min_value, min_count, out)
    return _cut(out)


@numba.njit(nogil=True, cache=True)
def pair_by_columns(
    columns_a, columns_b, n, kind, side_a, side_b,
    lists_a, offsets_a, lists_b, offsets_b, method, keep_first, min_value, min_count, counted,
):  # fmt: skip
    """Pairs inside each pair of subsets, correlated from the firings of their features."""
    p, q, room = _sizes(offsets_a, offsets_b)
    block, together = np.empty((p, q)), np.zeros((p, q), dtype=np.int64)
    head = np.full(n, -1, dtype=np.int32)
    out = _outputs(room, len(offsets_a))
    for d in range(len(offsets_a) - 1):
        a = lists_a[offsets_a[d] : offsets_a[d + 1]]
        b = lists_b[offsets_b[d] : offsets_b[d + 1]]
        part, part_counts = block[: len(a), : len(b)], together[: len(a), : len(b)]
        fill_block(columns_a, columns_b, a, b, head, kind, side_a, side_b, part, part_counts, counted)
        _pair_into(d, a, b, block, together, method, keep_first, min_value, min_count, out)
    return _cut(out)


@numba.njit(nogil=True, cache=True)
def _pair_into(d, a, b, block, together, method, keep_first, min_value, min_count, out):
    """Pair one draw and write its pairs after those of the draws before it."""
    out_a, out_b, offsets = out
    start = offsets[d]
    offsets[d + 1] = start
    if len(a) == 0 or len(b) == 0:
        return
    part, part_counts = block[: len(a), : len(b)], together[: len(a), : len(b)]
    row, column = pair_block(part, part_counts, method, keep_first, min_value, min_count)
    for k in range(len(row)):
        out_a[start + k], out_b[start + k] = a[row[k]], b[column[k]]
    offsets[d + 1] = start + len(row)


@numba.njit(nogil=True, cache=True)
def pair_block(block, counts, method, keep_first, min_value, min_count):
    """Pair rows with columns of a block of similarities, each at most once. Ties go to the lowest index.

    Returns:
        (rows, columns) paired, in the order in which they were found.
    """
    p, q = block.shape
    free_a, free_b = np.ones(p, dtype=np.bool_), np.ones(q, dtype=np.bool_)
    if method == GREEDY:
        row, column = _greedy(block, free_a, free_b)
    elif method == MANY_B:
        column, row = _many_to_one(*_best_rows(block), keep_first, free_b, free_a)
    else:
        row, column = _many_to_one(*_best_columns(block), keep_first, free_a, free_b)
    kept = 0
    for k in range(len(row)):
        a, b = row[k], column[k]
        if method == MUTUAL and _best_row(block, b) != a:
            continue
        if block[a, b] > min_value and counts[a, b] >= min_count:
            row[kept], column[kept] = a, b
            kept += 1
    return row[:kept], column[:kept]


@numba.njit(nogil=True, cache=True)
def _many_to_one(best, value, keep_first, free_seekers, free):
    """Every seeker takes its best; of the seekers that share one, the best or the first keeps it."""
    seeker = np.arange(len(best))
    order = np.arange(len(best))
    if not keep_first:
        order = np.argsort(-value, kind="mergesort")
    order = order[: take_free(order, seeker, best, free_seekers, free)]
    return order, best[order]


@numba.njit(nogil=True, cache=True)
def _best_columns(block):
    """For each row of a block the column where it is largest, and its value there."""
    best, value = np.empty(len(block), dtype=np.int64), np.empty(len(block))
    for i in range(len(block)):
        top = 0
        for j in range(1, block.shape[1]):
            if block[i, j] > block[i, top]:
                top = j
        best[i], value[i] = top, block[i, top]
    return best, value


@numba.njit(nogil=True, cache=True)
def _best_rows(block):
    """The same for each column, row by row, as they lie in memory."""
    best, value = np.zeros(block.shape[1], dtype=np.int64), block[0].copy()
    for i in range(1, len(block)):
        row = block[i]
        for j in range(len(row)):
            better = row[j] > value[j]
            value[j] = row[j] if better else value[j]
            best[j] = i if better else best[j]
    return best, value


@numba.njit(nogil=True, cache=True)
def _best_row(block, column):
    top = 0
    for i in range(1, len(block)):
        if block[i, column] > block[top, column]:
            top = i
    return top


@numba.njit(nogil=True, cache=True)
def _greedy(block, free_a, free_b):
    """The best free pair again and again; each row keeps its best free column until that is taken."""
    p, q = block.shape
    row, column = np.empty(min(p, q), dtype=np.int64), np.empty(min(p, q), dtype=np.int64)
    best = np.full(p, -1, dtype=np.int64)
    for found in range(min(p, q)):
        top = -1
        for i in range(p):
            if free_a[i]:
                if best[i] < 0 or not free_b[best[i]]:
                    best[i] = -1
                    for j in range(q):
                        if free_b[j] and (best[i] < 0 or block[i, j] > block[i, best[i]]):
                            best[i] = j
                if top < 0 or block[i, best[i]] > block[top, best[top]]:
                    top = i
        row[found], column[found] = top, best[top]
        free_a[top] = False
        free_b[best[top]] = False
    return row, column


@numba.njit(nogil=True, cache=True)
def _sizes(offsets_a, offsets_b):
    """Largest subset of each side, and room for all pairs."""
    p, q, room = 0, 0, 0
    for d in range(len(offsets_a) - 1):
        size_a, size_b = offsets_a[d + 1] - offsets_a[d], offsets_b[d + 1] - offsets_b[d]
        p, q, room = max(p, size_a), max(q, size_b), room + min(size_a, size_b)
    return p, q, room


@numba.njit(nogil=True, cache=True)
def _outputs(room, lists_plus_1):
    return (
        np.empty(room, dtype=np.int64),
        np.empty(room, dtype=np.int64),
        np.zeros(lists_plus_1, dtype=np.int64),
    )


@numba.njit(nogil=True, cache=True)
def _cut(out):
    out_a, out_b, offsets = out
    end = offsets[-1]
    return out_a[:end], out_b[:end], offsets
