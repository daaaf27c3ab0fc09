"""Compiled lists of best partners, best first, ties to the lowest index."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

from numba import njit


@njit(cache=True, nogil=True)
def insert(values, indices, counts, row, value, index, count):
    """Put a candidate into a row's list if it belongs there; the last one drops out."""
    at = values.shape[1] - 1
    if not (value > values[row, at] or (value == values[row, at] and index < indices[row, at])):
        return
    while at > 0 and (
        value > values[row, at - 1] or (value == values[row, at - 1] and index < indices[row, at - 1])
    ):
        values[row, at] = values[row, at - 1]
        indices[row, at] = indices[row, at - 1]
        counts[row, at] = counts[row, at - 1]
        at -= 1
    values[row, at] = value
    indices[row, at] = index
    counts[row, at] = count


@njit(cache=True, nogil=True)
def insert_all(values, indices, counts, other_values, other_indices, other_counts):
    """Merge other lists of the same rows, of any length."""
    for row in range(values.shape[0]):
        for at in range(other_values.shape[1]):
            index = other_indices[row, at]
            if index >= 0:
                insert(values, indices, counts, row, other_values[row, at], index, other_counts[row, at])


@njit(cache=True, nogil=True)
def offer_to_rows(lo, hi, tile, columns, values, indices, counts):
    """Offer a tile's columns, in ascending order, to the lists of its rows lo..hi."""
    last = values.shape[1] - 1
    for i in range(lo, hi):
        worst = values[i, last]
        for j in range(tile.shape[1]):
            if tile[i, j] > worst:
                insert(values, indices, counts, i, tile[i, j], columns[j], 0)
                worst = values[i, last]


@njit(cache=True, nogil=True)
def offer_to_columns(lo, hi, tile, rows, values, indices, counts):
    """Offer a tile's rows, in ascending order, to the lists of its columns lo..hi."""
    last = values.shape[1] - 1
    worst = values[:, last].copy()
    for i in range(tile.shape[0]):
        for j in range(lo, hi):
            if tile[i, j] > worst[j]:
                insert(values, indices, counts, j, tile[i, j], rows[i], 0)
                worst[j] = values[j, last]
