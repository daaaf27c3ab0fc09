"""Compiled re-layout of CSR blocks into the scaled rows and columns that the co-activation kernels read."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def count_rows(start, indptr, indices, part, pointer):
    """Count each row's entries of each part of the features into pointer[part, row + 1]; -1 is no part."""
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            own = part[indices[p]]
            if own >= 0:
                pointer[own, start + row + 1] += 1


@njit(cache=True, nogil=True)
def count_silent(start, indptr, indices, part, centred, pointer):
    """Add to those counts the centred features that are silent on each row."""
    fires = np.zeros(len(part), np.bool_)
    for row in range(len(indptr) - 1):
        fires[indices[indptr[row] : indptr[row + 1]]] = True
        for j in centred:
            if not fires[j]:
                pointer[part[j], start + row + 1] += 1
        fires[indices[indptr[row] : indptr[row + 1]]] = False


@njit(cache=True, nogil=True)
def fill_rows(
    start, indptr, indices, data, part, place, centre, scale, centred, pointer, centred_parts, fire_end, rank,
    value,
):  # fmt: skip
    """Write the scaled entries of a block's rows: those that fire, then those only centring makes non-zero.

    `part` and `place` say where each feature goes: to which part, and which rank it has there. `centred`
    lists the features whose centre isn't zero, `centred_parts` their parts; `fire_end[i, row]` receives the
    end of the firing entries in the i-th of them.
    """
    fires = np.zeros(len(part), np.bool_)
    at = np.zeros(len(pointer), np.int64)
    for row in range(len(indptr) - 1):
        at[:] = pointer[:, start + row]
        for p in range(indptr[row], indptr[row + 1]):
            j = indices[p]
            fires[j] = True
            own = part[j]
            if own >= 0:
                rank[at[own]] = place[j]
                value[at[own]] = (np.float64(data[p]) - centre[j]) * scale[j]
                at[own] += 1
        for i in range(len(centred_parts)):
            fire_end[i, start + row] = at[centred_parts[i]]
        for j in centred:
            if not fires[j]:
                own = part[j]
                rank[at[own]] = place[j]
                value[at[own]] = -centre[j] * scale[j]
                at[own] += 1
        for p in range(indptr[row], indptr[row + 1]):
            fires[indices[p]] = False


@njit(cache=True, nogil=True)
def fill_columns(start, indptr, indices, data, column, centre, scale, write_at, token, value):
    """Append a block's scaled entries to their columns; `write_at[c]` is column c's next place."""
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            j = indices[p]
            c = column[j]
            if c >= 0:
                at = write_at[c]
                token[at] = start + row
                value[at] = (np.float64(data[p]) - centre[j]) * scale[j]
                write_at[c] = at + 1


@njit(cache=True, nogil=True)
def fill_silent(n, begin, fire_end, end, silent, token, value):
    """After a column's firing tokens (sorted), list its silent ones with the value centring gives them."""
    p = begin
    at = fire_end
    for t in range(n):
        if p < fire_end and token[p] == t:
            p += 1
        elif at < end:
            token[at] = t
            value[at] = silent
            at += 1
