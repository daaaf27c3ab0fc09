"""Compiled sums by document."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def feature_sums(pointer, token, value, document, sums, squares):
    """Add each column's values, and their squares, to the column's sums by document."""
    for c in range(len(pointer) - 1):
        for p in range(pointer[c], pointer[c + 1]):
            v = np.float64(value[p])
            sums[c, document[token[p]]] += v
            squares[c, document[token[p]]] += v * v


@njit(cache=True, nogil=True)
def pair_sums(column_a, column_b, columns_a, columns_b, document, products):
    """Add the products of each pair of columns to the pair's sums by document; pairs come by A column."""
    pointer_a, token_a, value_a = columns_a
    pointer_b, token_b, value_b = columns_b
    spread = np.zeros(len(document))
    current = -1
    for pair in range(len(column_a)):
        a, b = column_a[pair], column_b[pair]
        if a != current:
            if current >= 0:
                for p in range(pointer_a[current], pointer_a[current + 1]):
                    spread[token_a[p]] = 0.0
            for p in range(pointer_a[a], pointer_a[a + 1]):
                spread[token_a[p]] = value_a[p]
            current = a
        for p in range(pointer_b[b], pointer_b[b + 1]):
            t = token_b[p]
            products[pair, document[t]] += spread[t] * value_b[p]
