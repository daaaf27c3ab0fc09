"""Compiled loops over draws: the block of similarities of two subsets, and the pairs in it."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numba
import numpy as np

from congruence.concepts.kernels_similarity import PEARSON, column_products, pair_block, similarity


@numba.njit(nogil=True, cache=True)
def fill_similarities(measure, n, stats_a, stats_b, sums, counts):
    """Turn sums of products into similarities in place; constant features give -inf."""
    f, g = sums.shape
    for i in range(f):
        for j in range(g):
            if stats_a[i, 1] > 0 and stats_b[j, 1] > 0:
                sums[i, j] = similarity(measure, n, sums[i, j], counts[i, j], stats_a[i], stats_b[j])
            else:
                sums[i, j] = -np.inf


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
        if measure == PEARSON:
            _to_correlations(tokens, block, stats_a, stats_b, a, b)
        else:
            _to_similarities(measure, tokens, block, together, stats_a, stats_b, a, b)
        _pair_into(d, a, b, block, together, method, keep_first, min_value, min_count, out)
    return _cut(out)


@numba.njit(nogil=True, cache=True)
def _to_similarities(measure, tokens, block, together, stats_a, stats_b, a, b):
    for i in range(len(a)):
        for j in range(len(b)):
            total, count = block[i, j], together[i, j]
            block[i, j] = similarity(measure, tokens, total, count, stats_a[a[i]], stats_b[b[j]])


@numba.njit(nogil=True, cache=True)
def _to_correlations(tokens, block, stats_a, stats_b, a, b):
    """The same for the measure that is nearly always asked for, without a choice in its loop."""
    mean, scale = stats_b[b, 0], stats_b[b, 4]
    for i in range(len(a)):
        row, shift, factor = block[i], tokens * stats_a[a[i], 0], stats_a[a[i], 4]
        for j in range(len(b)):
            row[j] = (row[j] - shift * mean[j]) * (factor * scale[j])


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
