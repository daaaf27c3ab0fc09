"""Compiled search for the strongest activations of each feature."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

from numba import njit


@njit(cache=True, nogil=True)
def add_top(positions, indptr, indices, data, values, at):
    """Offer a block's positive activations to the lists kept strongest first, ties to the earliest.

    `values` (f, k) starts as zeros and `at` (f, k) as -1; rows come in ascending order.
    """
    k = values.shape[1]
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            j, x = indices[p], data[p]
            if x <= values[j, k - 1]:
                continue
            place = k - 1
            while place > 0 and x > values[j, place - 1]:
                values[j, place] = values[j, place - 1]
                at[j, place] = at[j, place - 1]
                place -= 1
            values[j, place] = x
            at[j, place] = positions[row]
