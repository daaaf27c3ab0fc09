"""Compiled passes over dense blocks of tokens."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numpy as np
from numba import njit

_TILE = 64
_SUMS = np.uint64(256)


@njit(cache=True, nogil=True)
def standardise(lo, hi, block, features, centre, scale, out):
    """out[t, c] = (block[t, j] - centre[j]) * scale[j] for tokens lo..hi and feature j = features[c]."""
    for t in range(lo, hi):
        for c in range(len(features)):
            j = features[c]
            out[t, c] = (np.float64(block[t, j]) - centre[j]) * scale[j]


@njit(cache=True, nogil=True)
def transpose(lo, hi, block, out):
    """out[j, t] = block[t, j] for features lo..hi, by way of a tile that the nearest cache holds.

    Rows of both sides often lie a power of two apart and would push each other out of that cache.
    """
    tile = np.empty((_TILE, _TILE), block.dtype)
    for t_0 in range(0, block.shape[0], _TILE):
        tokens = min(_TILE, block.shape[0] - t_0)
        for j_0 in range(lo, hi, _TILE):
            features = min(_TILE, hi - j_0)
            for t in range(tokens):
                for j in range(features):
                    tile[j, t] = block[t_0 + t, j_0 + j]
            for j in range(features):
                for t in range(tokens):
                    out[j_0 + j, t_0 + t] = tile[j, t]


# Sums stand side by side and are added up at the end: an order of additions that vector instructions keep,
# so that it depends neither on the processor nor on where an array lies. Indices are unsigned, as in
# `kernels_scan`.
@njit(cache=True, nogil=True)
def _product(x, y, centre_x, scale_x, centre_y, scale_y, sums):
    sums[:] = 0.0
    for t_0 in range(np.uint64(0), np.uint64(len(x)), _SUMS):
        for i in range(np.uint64(0), min(_SUMS, np.uint64(len(x)) - t_0)):
            own = (np.float64(x[t_0 + i]) - centre_x) * scale_x
            sums[i] += own * ((np.float64(y[t_0 + i]) - centre_y) * scale_y)
    return _added_up(sums)


@njit(cache=True, nogil=True)
def _squared_distance(x, y, sums):
    sums[:] = 0.0
    for t_0 in range(np.uint64(0), np.uint64(len(x)), _SUMS):
        for i in range(np.uint64(0), min(_SUMS, np.uint64(len(x)) - t_0)):
            apart = np.float64(x[t_0 + i]) - np.float64(y[t_0 + i])
            sums[i] += apart * apart
    return _added_up(sums)


@njit(cache=True, nogil=True)
def _added_up(sums):
    """The total, halves onto halves; overwrites them."""
    width = _SUMS
    while width > 1:
        width //= np.uint64(2)
        for i in range(np.uint64(0), width):
            sums[i] += sums[i + width]
    return sums[0]


@njit(cache=True, nogil=True)
def _both_fire(x, y):
    count = 0
    for t in range(len(x)):
        count += (x[t] != 0.0) & (y[t] != 0.0)
    return count


@njit(cache=True, nogil=True)
def add_pairs(lo, hi, own, theirs, partners, scaling, their_scaling, distance, sums, counts):
    """Add some tokens to the sums and co-firings of features lo..hi with their partners.

    sums[i, c] gathers the products of the scaled values of feature i and feature partners[i, c], or the
    squares of the differences of the values where `distance`.

    Args:
        own, theirs: (features, tokens) values of each side.
        scaling, their_scaling: (centre, scale) of each feature.
    """
    centre, scale = scaling
    their_centre, their_scale = their_scaling
    room = np.empty(_SUMS)
    for i in range(lo, hi):
        for c in range(partners.shape[1]):
            j = partners[i, c]
            if j < 0:
                continue
            counts[i, c] += _both_fire(own[i], theirs[j])
            if distance:
                sums[i, c] += _squared_distance(own[i], theirs[j], room)
            else:
                sums[i, c] += _product(
                    own[i], theirs[j], centre[i], scale[i], their_centre[j], their_scale[j], room
                )
