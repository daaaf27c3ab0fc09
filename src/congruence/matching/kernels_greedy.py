"""Compiled greedy pairing."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def pair_mutual(list_a, list_b):
    """Pair, again and again, features that are each other's best among the unmatched.

    A feature whose list is used up no longer knows its best, and neither takes nor is taken.

    Returns:
        (A features, place of the partner in the feature's list).
    """
    at_a, at_b = np.zeros(len(list_a), np.int64), np.zeros(len(list_b), np.int64)
    free_a, free_b = np.ones(len(list_a), np.bool_), np.ones(len(list_b), np.bool_)
    k = list_a.shape[1]
    changed = True
    while changed:
        changed = False
        for a in range(len(list_a)):
            if not free_a[a]:
                continue
            while at_a[a] < k and list_a[a, at_a[a]] >= 0 and not free_b[list_a[a, at_a[a]]]:
                at_a[a] += 1
            if at_a[a] == k or list_a[a, at_a[a]] < 0:
                continue
            b = list_a[a, at_a[a]]
            while at_b[b] < k and list_b[b, at_b[b]] >= 0 and not free_a[list_b[b, at_b[b]]]:
                at_b[b] += 1
            if at_b[b] < k and list_b[b, at_b[b]] == a:
                free_a[a] = free_b[b] = False
                changed = True
    matched = np.flatnonzero(~free_a)
    return matched, at_a[matched]


@njit(cache=True, nogil=True)
def pair_sorted(pair_a, pair_b, values, queue_a, queue_b, silent, free_a, free_b, root):
    """Take pairs, best first, from a sorted list and from those that never fire together.

    Args:
        pair_a, pair_b, values: listed pairs, by descending value, then A, then B.
        queue_a, queue_b: the features, those whose silent pairs are best first; empty to take listed pairs
            only.
        silent: (shift of A, extra of A, weight of B); two that never fire together have the similarity
            -shift * weight - extra, or minus the root of its negative where `root`. Firing together raises
            it, so the best silent pair left is that of the heads of both queues, if any silent pair is best.
        free_a, free_b: bool; features are marked as they are taken.

    Returns:
        Places in the list, or -1 for a silent pair; A features; B features; values.
    """
    shift, extra, weight = silent
    size = min(free_a.sum(), free_b.sum())
    place, taken_a, taken_b = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    reached = np.empty(size)
    p = head_a = head_b = count = a = b = 0
    while count < size:
        while p < len(values) and not (free_a[pair_a[p]] and free_b[pair_b[p]]):
            p += 1
        while head_a < len(queue_a) and not free_a[queue_a[head_a]]:
            head_a += 1
        while head_b < len(queue_b) and not free_b[queue_b[head_b]]:
            head_b += 1
        best = -np.inf
        if head_a < len(queue_a) and head_b < len(queue_b):
            a, b = queue_a[head_a], queue_b[head_b]
            best = (0.0 - shift[a] * weight[b]) - extra[a]
            best = -np.sqrt(-best) if root else best
        listed = p < len(values) and (
            values[p] > best or (values[p] == best and (pair_a[p], pair_b[p]) < (a, b))
        )
        if listed:
            a, b, best = np.int64(pair_a[p]), np.int64(pair_b[p]), values[p]
        elif best == -np.inf:
            break
        place[count], taken_a[count], taken_b[count], reached[count] = p if listed else -1, a, b, best
        free_a[a] = free_b[b] = False
        count += 1
    return place[:count], taken_a[:count], taken_b[:count], reached[:count]
