"""Compiled scoring of many sets of paired decoder rows, from the products of rows within each side."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

import numba
import numpy as np

PC1, CKA, CKA_DEBIASED = 0, 1, 2
RSA = 10
CORRELATION, COSINE, EUCLIDEAN = 0, 1, 2
SPEARMAN, PEARSON = 0, 1
"""An RSA measure's code is RSA + 2 · rdm + compare."""

STEPS, SETTLED = 1000, 1e-6
SUMS = {"reassoc", "contract", "nsz"}
"""Lets the compiler reorder sums, and so do several at once; nothing is assumed about NaN."""


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def score_gathered(
    gram_a, scale_a, gram_b, scale_b, mean_a, mean_b, widths, lists_a, lists_b, offsets, measures, tables
):
    """(measures, draws) scores of pairs whose rows' products stand in two matrices; NaN where too few."""
    size = _largest(offsets)
    room_a, room_b = np.empty(size * size), np.empty(size * size)
    out = np.full((len(measures), len(offsets) - 1), np.nan)
    for d in range(len(offsets) - 1):
        rows_a, rows_b = lists_a[offsets[d] : offsets[d + 1]], lists_b[offsets[d] : offsets[d + 1]]
        n = len(rows_a)
        a, b = room_a[: n * n].reshape(n, n), room_b[: n * n].reshape(n, n)
        _gather(gram_a, scale_a, rows_a, a)
        _gather(gram_b, scale_b, rows_b, b)
        _score(n, a, b, mean_a, mean_b, widths, rows_a, rows_b, measures, tables, out[:, d])
    return out


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _gather(gram, scale, rows, out):
    """The products of some rows, both halves of a symmetric matrix.

    Entries lie far apart: nothing stands between their reads, so that many are under way at once.
    """
    n = len(rows)
    entries, own = np.empty((n, n), dtype=gram.dtype), scale[rows]
    for i in range(n):
        row = gram[rows[i]]
        for j in range(i, n):
            entries[i, j] = row[rows[j]]
    for i in range(n):
        for j in range(i, n):
            out[i, j] = entries[i, j] * (own[i] * own[j])
    for i in range(n):
        for j in range(i):
            out[i, j] = out[j, i]


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def score_multiplied(w_a, w_b, mean_a, mean_b, widths, lists_a, lists_b, offsets, measures, tables):
    """The same from the decoder rows themselves: one product a side and draw."""
    size = _largest(offsets)
    room_a, room_b = np.empty(size * size), np.empty(size * size)
    out = np.full((len(measures), len(offsets) - 1), np.nan)
    for d in range(len(offsets) - 1):
        rows_a, rows_b = lists_a[offsets[d] : offsets[d + 1]], lists_b[offsets[d] : offsets[d + 1]]
        n = len(rows_a)
        a, b = room_a[: n * n].reshape(n, n), room_b[: n * n].reshape(n, n)
        x, y = w_a[rows_a], w_b[rows_b]
        a[:, :] = np.dot(x, x.T)
        b[:, :] = np.dot(y, y.T)
        _score(n, a, b, mean_a, mean_b, widths, rows_a, rows_b, measures, tables, out[:, d])
    return out


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _largest(offsets):
    size = 1
    for d in range(len(offsets) - 1):
        size = max(size, offsets[d + 1] - offsets[d])
    return size


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _score(n, a, b, mean_a, mean_b, widths, rows_a, rows_b, measures, tables, out):
    """All measures of one set of pairs; `a` and `b` (n, n) are overwritten by their centred selves."""
    for m in range(len(measures)):
        if measures[m] >= RSA and n >= 3:
            kind, compare = (measures[m] - RSA) // 2, (measures[m] - RSA) % 2
            u = _distances(a, mean_a, rows_a, widths[0], kind)
            v = _distances(b, mean_b, rows_b, widths[1], kind)
            if compare == SPEARMAN:
                _rank(u, tables[2 * kind])
                _rank(v, tables[2 * kind + 1])
            out[m] = _pearson(u, v)
    for m in range(len(measures)):
        if measures[m] == CKA_DEBIASED and n >= 4:
            out[m] = _debiased(a, b)
    for m in range(len(measures)):
        if measures[m] == PC1 or measures[m] == CKA:
            _centre(a)
            _centre(b)
            break
    for m in range(len(measures)):
        if measures[m] == CKA and n >= 3:
            out[m] = _alignment(a, b)
    for m in range(len(measures)):
        if measures[m] == PC1 and n >= 3:
            out[m] = _first_components(a, b)


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _distances(gram, mean, rows, width, kind):
    """Condensed distances between rows, from their products and means."""
    n = len(gram)
    out = np.empty(n * (n - 1) // 2)
    norm = np.empty(n)
    for i in range(n):
        m = mean[rows[i]] if kind == CORRELATION else 0.0
        norm[i] = gram[i, i] - width * m * m
        if kind != EUCLIDEAN:
            norm[i] = 1 / np.sqrt(norm[i])
    at = 0
    for i in range(n):
        m = width * mean[rows[i]] if kind == CORRELATION else 0.0
        for j in range(i + 1, n):
            if kind == EUCLIDEAN:
                out[at] = np.sqrt(max(norm[i] + norm[j] - 2 * gram[i, j], 0.0))
            else:
                out[at] = 1 - (gram[i, j] - m * mean[rows[j]]) * (norm[i] * norm[j])
            at += 1
    return out


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _rank(values, table):
    """Replace values by twice their average rank, up to a constant, by the bins of `table`.

    table: [low, high, bins, bin of each of its steps between low and high ...].
    """
    low, high, bins = table[0], table[1], int(table[2])
    steps = len(table) - 3
    scale = (steps - 1) / (high - low)
    places = np.empty(len(values), dtype=np.int32)
    counts = np.zeros(bins, dtype=np.int32)
    for k in range(len(values)):
        step = min(max(int((values[k] - low) * scale), 0), steps - 1)
        places[k] = table[3 + step]
        counts[places[k]] += 1
    below = 0
    for c in range(bins):
        here = counts[c]
        counts[c] = 2 * below + here
        below += here
    for k in range(len(values)):
        values[k] = counts[places[k]]


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _pearson(u, v):
    mean_u, mean_v = u.mean(), v.mean()
    uv, uu, vv = 0.0, 0.0, 0.0
    for k in range(len(u)):
        x, y = u[k] - mean_u, v[k] - mean_v
        uv += x * y
        uu += x * x
        vv += y * y
    return uv / np.sqrt(uu * vv) if uu > 0 and vv > 0 else np.nan


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _centre(gram):
    """Subtract row and column means."""
    n = len(gram)
    means = np.empty(n)
    for i in range(n):
        means[i] = gram[i].mean()
    grand = means.mean()
    for i in range(n):
        for j in range(n):
            gram[i, j] += grand - means[i] - means[j]


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _alignment(a, b):
    ab, aa, bb = 0.0, 0.0, 0.0
    for i in range(len(a)):
        for j in range(len(a)):
            ab += a[i, j] * b[i, j]
            aa += a[i, j] * a[i, j]
            bb += b[i, j] * b[i, j]
    return ab / np.sqrt(aa * bb) if aa > 0 and bb > 0 else np.nan


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _debiased(a, b):
    """Alignment of the U-centred matrices (Song et al. 2012), without changing `a` and `b`."""
    n = len(a)
    sums_a, sums_b = np.zeros(n), np.zeros(n)
    for i in range(n):
        for j in range(n):
            if i != j:
                sums_a[i] += a[i, j]
                sums_b[i] += b[i, j]
    grand_a = sums_a.sum() / ((n - 1) * (n - 2))
    grand_b = sums_b.sum() / ((n - 1) * (n - 2))
    ab, aa, bb = 0.0, 0.0, 0.0
    for i in range(n):
        for j in range(i):
            x = a[i, j] - (sums_a[i] + sums_a[j]) / (n - 2) + grand_a
            y = b[i, j] - (sums_b[i] + sums_b[j]) / (n - 2) + grand_b
            ab += x * y
            aa += x * x
            bb += y * y
    return ab / np.sqrt(aa * bb) if aa > 0 and bb > 0 else np.nan


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _first_components(a, b):
    """|u·v| of the leading eigenvectors of two centred matrices."""
    return min(abs(_dot(_leading(a), _leading(b))), 1.0)


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _leading(gram):
    """The leading eigenvector of a symmetric matrix, by conjugate ascent of the Rayleigh quotient.

    Each step turns the vector towards a direction within the plane that both span, where the best angle is
    known; directions are the residuals, made conjugate after Polak and Ribière. One product a step.
    """
    n = len(gram)
    vector = gram[np.argmax(np.diag(gram))].copy()
    vector /= np.sqrt(_dot(vector, vector))
    image, turned, unit = np.empty(n), np.empty(n), np.empty(n)
    residual, before, direction = np.empty(n), np.zeros(n), np.zeros(n)
    _times(gram, vector, image)
    for step in range(STEPS):
        value = _dot(vector, image)
        size, change = 0.0, 0.0
        for i in range(n):
            residual[i] = image[i] - value * vector[i]
            size += residual[i] * residual[i]
            change += residual[i] * (residual[i] - before[i])
        if size <= (SETTLED * value) ** 2:
            break
        keep = max(change, 0.0) / _dot(before, before) if step % n else 0.0
        for i in range(n):
            direction[i] = residual[i] + keep * direction[i]
            before[i] = residual[i]
        shared = _dot(direction, vector)
        for i in range(n):
            unit[i] = direction[i] - shared * vector[i]
        length = np.sqrt(_dot(unit, unit))
        for i in range(n):
            unit[i] /= length
        _times(gram, unit, turned)
        angle = 0.5 * np.arctan2(2 * _dot(unit, image), value - _dot(unit, turned))
        cosine, sine = np.cos(angle), np.sin(angle)
        for i in range(n):
            vector[i] = cosine * vector[i] + sine * unit[i]
            image[i] = cosine * image[i] + sine * turned[i]
    return vector / np.sqrt(_dot(vector, vector))


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _times(gram, vector, out):
    for i in range(len(vector)):
        total = 0.0
        for j in range(len(vector)):
            total += gram[i, j] * vector[j]
        out[i] = total


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _dot(u, v):
    total = 0.0
    for i in range(len(u)):
        total += u[i] * v[i]
    return total
