"""Compiled loops: sums of products and co-firings between features of two sides, and pairing by them."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numba
import numpy as np

MANY_B, MANY_A, GREEDY, MUTUAL = 0, 1, 2, 3
PEARSON, COSINE, EUCLIDEAN, JACCARD = 0, 1, 2, 3


@numba.njit(nogil=True, cache=True)
def add_products(lo, hi, columns_a, rows_b, sums, counts):
    """Add to sums (f, g) the products, and to counts the co-firings, of features lo..hi of A with all of B.

    A is laid out by feature and B by token, so that one row of either array is written at a time.
    """
    pointer_a, token_a, value_a = columns_a
    pointer_b, index_b, value_b = rows_b
    for a in range(lo, hi):
        row, row_counts = sums[a], counts[a]
        for k in range(pointer_a[a], pointer_a[a + 1]):
            t, x = token_a[k], np.float64(value_a[k])
            for j in range(pointer_b[t], pointer_b[t + 1]):
                row[index_b[j]] += x * value_b[j]
                row_counts[index_b[j]] += 1


@numba.njit(nogil=True, cache=True)
def column_products(columns_a, columns_b, chosen_a, chosen_b, head, sums, counts, counted):
    """The same for chosen features, both laid out by feature; `counts` stays as it is where not `counted`.

    `head` (n,) int32 is scratch, all -1.
    """
    pointer_a, token_a, value_a = columns_a
    pointer_b, token_b, value_b = columns_b
    entries = 0
    for j in range(len(chosen_b)):
        entries += pointer_b[chosen_b[j] + 1] - pointer_b[chosen_b[j]]
    following = np.empty(entries, dtype=np.int32)
    owner = np.empty(entries, dtype=np.int32)
    value = np.empty(entries, dtype=np.float32)
    at = 0
    for j in range(len(chosen_b)):
        for k in range(pointer_b[chosen_b[j]], pointer_b[chosen_b[j] + 1]):
            following[at] = head[token_b[k]]
            owner[at] = j
            value[at] = value_b[k]
            head[token_b[k]] = at
            at += 1
    sums[: len(chosen_a), : len(chosen_b)] = 0.0
    if counted:
        counts[: len(chosen_a), : len(chosen_b)] = 0
    for i in range(len(chosen_a)):
        row, row_counts = sums[i], counts[i]
        for k in range(pointer_a[chosen_a[i]], pointer_a[chosen_a[i] + 1]):
            entry = head[token_a[k]]
            while entry >= 0:
                row[owner[entry]] += np.float64(value_a[k]) * value[entry]
                if counted:
                    row_counts[owner[entry]] += 1
                entry = following[entry]
    for j in range(len(chosen_b)):
        for k in range(pointer_b[chosen_b[j]], pointer_b[chosen_b[j] + 1]):
            head[token_b[k]] = -1


@numba.njit(nogil=True, cache=True)
def similarity(measure, total, count, stats_a, stats_b):
    """A cosine, distance or jaccard from the sum of products and both statistics (see `LayerColumns`)."""
    if measure == COSINE:
        return total * (stats_a[5] * stats_b[5])
    if measure == EUCLIDEAN:
        return -np.sqrt(max(stats_a[2] + stats_b[2] - 2 * total, 0.0))
    return count / (stats_a[3] + stats_b[3] - count)


@numba.njit(nogil=True, cache=True)
def pair_block(block, counts, method, keep_first, min_value, min_count, out_a, out_b):
    """Pair rows with columns of a block of similarities, each at most once; the number of pairs.

    `out_a`, `out_b` take the rows and columns paired. Ties go to the lowest index.
    """
    p, q = block.shape
    free_a, free_b = np.ones(p, dtype=np.bool_), np.ones(q, dtype=np.bool_)
    found = 0
    if method == GREEDY:
        found = _greedy(block, free_a, free_b, out_a, out_b)
    elif method == MANY_B:
        found = _many_to_one(block.T, keep_first, free_a, out_b, out_a)
    else:
        found = _many_to_one(block, keep_first, free_b, out_a, out_b)
    if method == MUTUAL:
        found = _only_mutual(block, found, out_a, out_b)
    kept = 0
    for i in range(found):
        a, b = out_a[i], out_b[i]
        if block[a, b] > min_value and counts[a, b] >= min_count:
            out_a[kept], out_b[kept] = a, b
            kept += 1
    return kept


@numba.njit(nogil=True, cache=True)
def _many_to_one(block, keep_first, free, out_seeker, out_found):
    """Every row takes its best column; of the rows that share one, the best or the first keeps it."""
    p, q = block.shape
    best = np.empty(p, dtype=np.int64)
    value = np.empty(p)
    for i in range(p):
        top = 0
        for j in range(1, q):
            if block[i, j] > block[i, top]:
                top = j
        best[i], value[i] = top, block[i, top]
    order = np.arange(p)
    if not keep_first:
        order = np.argsort(-value, kind="mergesort")
    found = 0
    for i in order:
        if free[best[i]]:
            free[best[i]] = False
            out_seeker[found], out_found[found] = i, best[i]
            found += 1
    return found


@numba.njit(nogil=True, cache=True)
def _only_mutual(block, found, out_a, out_b):
    """Of the pairs in which each row has its best column, those in which the column has its best row."""
    kept = 0
    for k in range(found):
        a, b = out_a[k], out_b[k]
        top = 0
        for i in range(1, len(block)):
            if block[i, b] > block[top, b]:
                top = i
        if top == a:
            out_a[kept], out_b[kept] = a, b
            kept += 1
    return kept


@numba.njit(nogil=True, cache=True)
def _greedy(block, free_a, free_b, out_a, out_b):
    """The best free pair again and again; each row keeps its best free column until that is taken."""
    p, q = block.shape
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
        out_a[found], out_b[found] = top, best[top]
        free_a[top] = False
        free_b[best[top]] = False
    return min(p, q)
