"""What a TopK SAE's step does with the few features that fire: add, multiply and collect rows."""

# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numba
import numpy as np

_SUMS = {"reassoc", "contract", "nsz"}
"""A row's sum may be taken in the order that the processor's vectors suggest."""


@numba.njit(nogil=True, cache=True, fastmath=_SUMS)
def add_rows(first, last, values, features, rows, out):
    """``out[t] += Σ_j values[t, j] · rows[features[t, j]]`` for some tokens t."""
    d = rows.shape[1]
    for t in range(first, last):
        into = out[t]
        for j in range(values.shape[1]):
            value = values[t, j]
            if value != 0:
                row = rows[features[t, j]]
                for i in range(d):
                    into[i] += value * row[i]


@numba.njit(nogil=True, cache=True, fastmath=_SUMS)
def multiply_rows(first, last, given, features, rows, out):
    """``out[t, j] = given[t] · rows[features[t, j]]`` for some tokens t."""
    d = rows.shape[1]
    for t in range(first, last):
        one = given[t]
        for j in range(features.shape[1]):
            row, total = rows[features[t, j]], np.float32(0)
            for i in range(d):
                total += one[i] * row[i]
            out[t, j] = total


@numba.njit(nogil=True, cache=True, fastmath=_SUMS)
def collect_rows(first, last, ends, entries, k, weights, given, out):
    """``out[f] = Σ weights[t, j] · given[t]`` over a feature's entries (t, j), for some features f."""
    d = given.shape[1]
    for f in range(first, last):
        into = out[f]
        into[:] = 0
        for at in range(ends[f], ends[f + 1]):
            entry = entries[at]
            token = entry // k
            weight = weights[token, entry - token * k]
            if weight != 0:
                row = given[token]
                for i in range(d):
                    into[i] += weight * row[i]


@numba.njit(nogil=True, cache=True)
def by_feature(features, width):
    """Numbers t · k + j of the entries in rising order of their feature, and where each feature's end."""
    n, k = features.shape
    ends = np.zeros(width + 1, np.int64)
    for t in range(n):
        for j in range(k):
            ends[features[t, j] + 1] += 1
    for f in range(width):
        ends[f + 1] += ends[f]
    place, entries = ends[:-1].copy(), np.empty(n * k, np.int64)
    for t in range(n):
        for j in range(k):
            f = features[t, j]
            entries[place[f]] = t * k + j
            place[f] += 1
    return ends, entries
