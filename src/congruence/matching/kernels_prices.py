"""Compiled prices that prove a matching best on a graph."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def column_prices(pointer, column, weight, matched, n_columns):
    """The least prices v >= 0 of the columns that support a best matching of all rows.

    With u_i = w_ij - v_j for row i matched to column j, u_i + v_j' >= w_ij' for every edge: v is the longest
    path along w_ij' - w_ij, found by correcting prices until none changes.

    Args:
        pointer, column, weight: the graph's rows in CSR form.
        matched: (rows,) place of each row's matched edge in `column`.
        n_columns: number of columns.
    """
    price = np.zeros(n_columns)
    row_of = np.full(n_columns, -1, np.int64)
    for i in range(len(matched)):
        row_of[column[matched[i]]] = i
    # A ring: each row waits at most once.
    queue = np.arange(len(matched))
    waiting = np.ones(len(matched), np.bool_)
    head, held = 0, len(matched)
    while held:
        i = queue[head]
        head = (head + 1) % len(queue)
        held -= 1
        waiting[i] = False
        base = price[column[matched[i]]] - weight[matched[i]]
        for p in range(pointer[i], pointer[i + 1]):
            j = column[p]
            # Rounding must not send a cycle of zero length round for ever.
            if weight[p] + base > price[j] + 1e-13:
                price[j] = weight[p] + base
                if row_of[j] >= 0 and not waiting[row_of[j]]:
                    waiting[row_of[j]] = True
                    queue[(head + held) % len(queue)] = row_of[j]
                    held += 1
    return price
