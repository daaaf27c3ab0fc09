"""Compiled passes over dense blocks of tokens."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def standardise(block, features, centre, scale, out):
    """out[t, c] = (block[t, j] - centre[j]) * scale[j] for feature j = features[c]."""
    for t in range(block.shape[0]):
        for c in range(len(features)):
            j = features[c]
            out[t, c] = (np.float64(block[t, j]) - centre[j]) * scale[j]


@njit(cache=True, nogil=True)
def add_pairs(lo, hi, block_a, block_b, partners, scaling_a, scaling_b, distance, sums, counts):
    """Add a block of tokens to the sums and co-firings of A's features lo..hi with their partners.

    sums[i, c] gathers the products of the scaled values of feature i and feature partners[i, c], or the
    squares of their differences where `distance`. scaling_a, scaling_b: (centre, scale) of each feature.
    """
    centre_a, scale_a = scaling_a
    centre_b, scale_b = scaling_b
    for t in range(block_a.shape[0]):
        for i in range(lo, hi):
            x = np.float64(block_a[t, i])
            u = (x - centre_a[i]) * scale_a[i]
            for c in range(partners.shape[1]):
                j = partners[i, c]
                if j >= 0:
                    y = np.float64(block_b[t, j])
                    v = (y - centre_b[j]) * scale_b[j]
                    sums[i, c] += (u - v) * (u - v) if distance else u * v
                    counts[i, c] += (x != 0.0) & (y != 0.0)
