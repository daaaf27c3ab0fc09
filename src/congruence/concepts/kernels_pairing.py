"""Compiled loops over draws: the block of similarities of two subsets, and the pairs in it."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numba
import numpy as np

from congruence.concepts.kernels_similarity import PEARSON, column_products, pair_block, similarity


@numba.njit(nogil=True, cache=True)
def fill_similarities(measure, n, stats_a, stats_b, sums, counts):
    """Turn sums of products into similarities in place; constant features give -inf."""
    mean, scale = stats_b[:, 0].copy(), stats_b[:, 4].copy()
    for i in range(len(sums)):
        row, row_counts, own = sums[i], counts[i], stats_a[i]
        if not own[1] > 0:
            row[:] = -np.inf
        elif measure == PEARSON:  # nearly always: without a choice in its loop
            shift, factor = n * own[0], own[4]
            for j in range(len(row)):
                row[j] = (row[j] - shift * mean[j]) * (factor * scale[j])
        else:
            for j in range(len(row)):
                row[j] = similarity(measure, row[j], row_counts[j], own, stats_b[j])
    for j in range(len(stats_b)):
        if not stats_b[j, 1] > 0:
            sums[:, j] = -np.inf


@numba.njit(nogil=True, cache=True)
def pair_by_matrix(
    values, counts, lists_a, offsets_a, lists_b, offsets_b, method, keep_first, min_value, min_count
):
    """Pairs inside each pair of subsets, read from the whole matrix."""
    p, q, room = _sizes(offsets_a, offsets_b)
    block, together = np.empty((p, q)), np.empty((p, q), dtype=np.int64)
    out = _outputs(room, len(offsets_a))
    for d in range(len(offsets_a) - 1):
        a = lists_a[offsets_a[d] : offsets_a[d + 1]]
        b = lists_b[offsets_b[d] : offsets_b[d + 1]]
        for i in range(len(a)):
            for j in range(len(b)):
                block[i, j] = values[a[i], b[j]]
                together[i, j] = counts[a[i], b[j]]
        _pair_into(d, a, b, block, together, method, keep_first, min_value, min_count, out)
    return _cut(out)


@numba.njit(nogil=True, cache=True)
def pair_by_columns(
    columns_a, columns_b, n, measure, tokens, stats_a, stats_b,
    lists_a, offsets_a, lists_b, offsets_b, method, keep_first, min_value, min_count, counted,
):  # fmt: skip
    """Pairs inside each pair of subsets, correlated from the firings of their features.

    Co-firings are 0 where not `counted`: for draws whose rule doesn't ask for any.
    """
    p, q, room = _sizes(offsets_a, offsets_b)
    block, together = np.empty((p, q)), np.zeros((p, q), dtype=np.int64)
    head = np.full(n, -1, dtype=np.int32)
    out = _outputs(room, len(offsets_a))
    for d in range(len(offsets_a) - 1):
        a = lists_a[offsets_a[d] : offsets_a[d + 1]]
        b = lists_b[offsets_b[d] : offsets_b[d + 1]]
        column_products(columns_a, columns_b, a, b, head, block, together, counted)
        part, part_counts = block[: len(a), : len(b)], together[: len(a), : len(b)]
        fill_similarities(measure, tokens, stats_a[a], stats_b[b], part, part_counts)
        _pair_into(d, a, b, block, together, method, keep_first, min_value, min_count, out)
    return _cut(out)


@numba.njit(nogil=True, cache=True)
def _pair_into(d, a, b, block, together, method, keep_first, min_value, min_count, out):
    """Pair one draw and write its pairs after those of the draws before it."""
    out_a, out_b, offsets, values, counts = out
    start = offsets[d]
    offsets[d + 1] = start
    if len(a) == 0 or len(b) == 0:
        return
    part, part_counts = block[: len(a), : len(b)], together[: len(a), : len(b)]
    room = max(len(a), len(b))
    row, column = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    found = pair_block(part, part_counts, method, keep_first, min_value, min_count, row, column)
    for k in range(found):
        out_a[start + k], out_b[start + k] = a[row[k]], b[column[k]]
        values[start + k] = part[row[k], column[k]]
        counts[start + k] = part_counts[row[k], column[k]]
    offsets[d + 1] = start + found


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
        np.empty(room),
        np.empty(room, dtype=np.int64),
    )


@numba.njit(nogil=True, cache=True)
def _cut(out):
    out_a, out_b, offsets, values, counts = out
    end = offsets[-1]
    return out_a[:end], out_b[:end], offsets, values[:end], counts[:end]
