"""Sums of the singular values of large matrices, without the singular values.

Reflections turn the matrix into a band, with nearly all of the work in products of matrices, where a
decomposition does half of its own in products with vectors, which wait for memory. Of the band B the sum
follows from determinants: Σ σ = 1/π ∫ log det(1 + B Bᵀ/t²) dt over t > 0, which the trapezoid rule in log t
integrates with an error of exp(−π²/step), and each determinant is one factorisation of a band.

Sources: Bischof, Lang and Sun 2000 (ACM TOMS 26, 581), reduction to a band; Trefethen and Weideman 2014 (SIAM
Review 56, 385), the trapezoid rule.
"""

import numba
import numpy as np
from jaxtyping import Float

from congruence.aligned import aligned
from congruence.metrics.subspace import singular_values

BAND = 48
STRIPE = 128
"""Rows that are updated at a time: what is subtracted from them stays in cache."""
STEP = 0.5
"""Of log t: the rule's error is exp(−π²/0.5) = 3e-9."""
LEAST = 1e-7
"""Of t, relative to the root mean square of the singular values: below, log det no longer changes."""
ROUNDING = 2.0**-52
SMALL, NOISE, ALLOWED = 1e-4, 1e-6, 1e-7
"""Of the root mean square: singular values below SMALL may be off by NOISE each; of their sum, by ALLOWED."""


def nuclear_norms(products: Float[np.ndarray, "m k l"]) -> Float[np.ndarray, " m"]:
    """`nuclear_norm` of each of some matrices."""
    return np.array([nuclear_norm(product) for product in products])


def nuclear_norm(m: Float[np.ndarray, "k l"]) -> float:
    """Sum of the singular values of a float32 matrix, off by some 1e-8 of itself.

    Where many of them are so small that the rounding of float32 would add up in them, they are taken one by
    one in float64.
    """
    wide = np.array(m if m.shape[0] <= m.shape[1] else m.T, order="C")
    products, scale = _products_of_band(_band(wide))
    if scale == 0:
        return 0.0
    total = _sum_of_roots(products)
    if not _count_below(products, SMALL**2) * NOISE <= ALLOWED * total:
        return float(singular_values(m.astype(np.float64)).sum())
    return float(total * scale)


def _band(m: Float[np.ndarray, "k l"]) -> Float[np.ndarray, "k w"]:
    """A band of the same singular values as `m`, which is used up.

    Row i has the entries of columns i − BAND to i, each at i − column.
    """
    k = len(m)
    band, room = np.zeros((k, BAND + 1)), aligned((STRIPE * m.shape[1],), np.float32)
    for first in range(0, k, BAND):
        width = min(BAND, k - first)
        rows = np.ascontiguousarray(m[first : first + width, first:].T)
        v, t = _reflectors(rows)
        _put_lower(band, rows, first)
        rest = m[first + width :, first:]
        if not len(rest):
            break
        w = (rest @ v) @ t
        columns = rest[:, :width] - w @ v[:width].T
        u, s = _reflectors(columns)
        _put_upper(band, columns, first)
        z = s.T @ ((rest[:, width:].T @ u).T - (u.T @ w) @ v[width:].T)
        left, right = np.hstack([w, u]), np.vstack([v[width:].T, z])
        for start in range(0, len(rest), STRIPE):
            part = rest[start : start + STRIPE, width:]
            moved = room[: part.size].reshape(part.shape)
            part -= np.matmul(left[start : start + STRIPE], right, out=moved)
    return band


def _reflectors(panel: Float[np.ndarray, "r b"]) -> tuple[Float[np.ndarray, "r b"], Float[np.ndarray, "b b"]]:
    """v and t of the reflections 1 − v tᵀ vᵀ that make a panel upper triangular, which it becomes."""
    v, inverse = _householder(panel)
    inverse += np.triu(v.T @ v, 1)
    return v, np.linalg.inv(inverse).astype(np.float32)


@numba.njit(nogil=True, cache=True)
def _householder(panel):
    """Reflection vectors of a panel, and the diagonal of the inverse of t; the panel becomes triangular."""
    rows, width = panel.shape
    v, inverse = np.zeros((rows, width), dtype=np.float32), np.eye(width, dtype=np.float32)
    along = np.empty(width, dtype=np.float32)
    for k in range(min(rows, width)):
        squares = 0.0
        for i in range(k + 1, rows):
            squares += np.float64(panel[i, k]) ** 2
        if squares == 0.0:
            continue
        head = np.float64(panel[k, k])
        norm = np.sqrt(head * head + squares)
        pivot = head + norm if head > 0 else head - norm
        tau = 2.0 / (1.0 + squares / (pivot * pivot))
        v[k, k], inverse[k, k] = 1.0, 1.0 / tau
        scale = np.float32(1.0 / pivot)
        for i in range(k + 1, rows):
            v[i, k] = panel[i, k] * scale
        start = k // 16 * 16  # whole vectors; what is left of k is 0 below the diagonal already
        along[:] = 0.0
        for i in range(k, rows):
            weight, row = v[i, k], panel[i, start:]
            for j in range(len(row)):
                along[j] += weight * row[j]
        for j in range(width):
            along[j] *= np.float32(tau)
        for i in range(k, rows):
            weight, row = v[i, k], panel[i, start:]
            for j in range(len(row)):
                row[j] -= weight * along[j]
        for i in range(k + 1, rows):
            panel[i, k] = 0.0
    return v, inverse


@numba.njit(nogil=True, cache=True)
def _put_lower(band, triangle, first):
    """The rows of a diagonal block, given transposed: column r of `triangle` ends at its diagonal."""
    for r in range(triangle.shape[1]):
        for c in range(min(r + 1, triangle.shape[0])):
            band[first + r, r - c] = triangle[c, r]


@numba.njit(nogil=True, cache=True)
def _put_upper(band, triangle, first):
    """The block below the diagonal one, upper triangular."""
    width = triangle.shape[1]
    for r in range(min(width, triangle.shape[0])):
        for c in range(r, width):
            band[first + width + r, width + r - c] = triangle[r, c]


@numba.njit(nogil=True, cache=True)
def _products_of_band(band):
    """B Bᵀ by columns from the diagonal down, over the mean of its eigenvalues; and that mean's root."""
    k, width = band.shape
    out, total = np.zeros((k, width)), 0.0
    for i in range(k):
        for t in range(min(width, k - i)):
            # rows i and i + t share columns i + t - (width - 1) to i
            product = 0.0
            for c in range(max(0, i + t - width + 1), i + 1):
                product += band[i, i - c] * band[i + t, i + t - c]
            out[i, t] = product
        total += out[i, 0]
    if total > 0:
        out /= total / k
    return out, np.sqrt(total / k)


@numba.njit(nogil=True, cache=True)
def _log_det(products, shift, least, room):
    """log det(products + shift): pivots below `least`, which is the size of rounding, are taken for that."""
    k, width = products.shape
    room[:k] = products
    room[k:] = 0.0
    total = 0.0
    for i in range(k):
        pivot = max(room[i, 0] + shift, least)
        total += np.log(pivot)
        column = room[i]
        for s in range(1, width):
            weight = column[s] / pivot
            below = room[i + s]
            for t in range(s, width):
                below[t - s] -= weight * column[t]
    return total


@numba.njit(nogil=True, cache=True)
def _count_below(products, shift):
    """How many eigenvalues are below `shift`: as many as there are negative pivots."""
    k, width = products.shape
    room = np.zeros((k + width, width))
    room[:k] = products
    count = 0
    for i in range(k):
        pivot = room[i, 0] - shift
        if pivot < 0:
            count += 1
        if abs(pivot) < 1e-17:
            pivot = 1e-17
        for s in range(1, width):
            weight = room[i, s] / pivot
            for t in range(s, width):
                room[i + s, t - s] -= weight * room[i, t]
    return count


@numba.njit(nogil=True, cache=True)
def _sum_of_roots(products):
    """Σ √λ of a band of mean eigenvalue 1: the trapezoid rule in log t, with both ends in closed form."""
    k, width = products.shape
    room = np.empty((k + width, width))
    squares = 0.0
    for i in range(k):
        squares += products[i, 0] ** 2
        for t in range(1, width):
            squares += 2 * products[i, t] ** 2
    largest = np.sqrt(squares)  # no eigenvalue is above the norm
    first, last = np.log(LEAST), 0.5 * np.log(1e3 * largest)
    steps = int(np.ceil((last - first) / STEP))
    total = 0.0
    for number in range(steps + 1):
        u = first + number * STEP
        t = np.exp(u)
        value = _log_det(products, t * t, ROUNDING * largest, room) - 2 * u * k
        total += t * value
        if number == 0:
            # towards 0 log det stays and -2 u k grows: Σ_{j>0} e^(u - j h) (value + 2 k j h)
            q = np.exp(-STEP)
            total += t * (value * q / (1 - q) + 2 * k * STEP * q / (1 - q) ** 2)
    # beyond the last: trace/t - squares/(2 t³), geometric series both
    for power, size in ((1, float(k)), (3, -squares / 2)):
        q = np.exp(-power * STEP)
        total += size * np.exp(-power * (first + steps * STEP)) * q / (1 - q)
    return total * STEP / np.pi
