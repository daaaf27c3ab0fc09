"""Centring, principal components, and singular values: the linear algebra several measures share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy import linalg
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from congruence.aligned import aligned
from congruence.errors import InputError
from congruence.metrics import lapack
from congruence.metrics.blas import gram, in_parallel, one_blas_thread
from congruence.metrics.inputs import ROUNDING, Pair
from congruence.metrics.kernels import over_draws
from congruence.metrics.leading import leading_eigenvectors
from congruence.metrics.shared import SharedRows

DENSE_LIMIT = 600
WORTH = 8
"""Leading components are found alone where they are fewer than one in so many."""
SINGLE_PRECISION_ROWS = 256
TOGETHER, TOGETHER_BYTES = 16, 1 << 21
"""Draws in one call at most, and the bytes that their rows may take."""


class Components(NamedTuple):
    """A centred matrix as U·diag(s)·Vᵀ, cut at its rank or before: u (n, r) orthonormal, s (r,) falling.

    `total` is the sum of the squares of all singular values, those that were cut off included; `rank` is r
    where the cut is at the rank, and None where there may be more.
    """

    u: Float[np.ndarray, "n r"]
    s: Float[np.ndarray, " r"]
    total: float
    rank: int | None = None


def centred(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Columns minus their means."""
    return x - x.mean(axis=0)


def components(x: Float[np.ndarray, "n d"], name: str, *, center: bool = True) -> Components:
    """Principal components of the rows of `x`, without those that are only rounding."""
    u, s, _ = linalg.svd(centred(x) if center else x, full_matrices=False, check_finite=False)
    floor = s[0] * max(x.shape) * np.finfo(float).eps + np.abs(x).max() * ROUNDING
    rank = min(int((s > floor).sum()), len(x) - center)
    if rank == 0:
        raise InputError(f"{name} has rank 0 after centring: pass rows that differ")
    return Components(np.ascontiguousarray(u[:, :rank]), s[:rank], float((s**2).sum()), rank)


def both_components(
    pair: Pair, *, center: bool = True, most: int | None = None, given: tuple[Any, Any] = (None, None)
) -> tuple[Components, Components]:
    """Principal components of both sides, side by side on two threads; given `most`, the leading ones.

    Args:
        pair: both sides.
        center: subtract column means first.
        most: how many components are wanted; None for all.
        given: what the pair was made of, which may be rows that measures share.
    """

    def of(side: tuple[Float[np.ndarray, "n d"], str, Any]) -> Components:
        x, name, shared = side
        if most is None or min(x.shape) <= DENSE_LIMIT or WORTH * most > min(x.shape):
            return components(x, name, center=center)
        return leading_components(SharedRows.of(shared, x), name, most, center=center)

    a, b = in_parallel(of, zip(pair, "xy", given, strict=True))
    return a, b


def leading_components(side: SharedRows, name: str, most: int, *, center: bool = True) -> Components:
    """The leading principal components alone, from the products of columns (or rows, where they are fewer).

    Exact to about 1e-14 · (s_1 / s_k)²: the products square the singular values, and those wanted are large.
    """
    xc, tall = side.centred() if center else side.rows, side.shape[0] >= side.shape[1]
    products = side.products_of_columns(center=center) if tall else gram(xc)
    values, vectors = leading_eigenvectors(products, most)
    known = values[::-1] > values[-1] * len(products) * np.finfo(float).eps
    if not known.any():
        raise InputError(f"{name} has rank 0 after centring: pass rows that differ")
    s = np.sqrt(values[::-1][known])
    found = vectors[:, ::-1][:, known]
    u = (xc @ found) / s if tall else found
    return Components(np.ascontiguousarray(u), s, float(np.trace(products)))


def kept(s: Float[np.ndarray, " r"], variance: float) -> int:
    """Fewest leading components whose squared singular values reach `variance` of their sum."""
    share = np.cumsum(s**2) / np.sum(s**2)
    return min(int(np.searchsorted(share, variance * (1 - 1e-12))) + 1, len(s))


def first_component(side: SharedRows, *, center: bool = True) -> tuple[Float[np.ndarray, " n"], float, float]:
    """Unit scores of the first component of the rows, its share of variance, and the gap to the second.

    Returns:
        (n,) scores of unit norm; λ1 / Σλ; (λ1 - λ2) / λ1.
    """
    x, tall = side.centred() if center else side.rows, side.shape[0] >= side.shape[1]
    products = side.products_of_columns(center=center) if tall else gram(x)
    values, vectors = _top_two(products)
    scores = x @ vectors[:, -1] if tall else vectors[:, -1]
    second, total = values[-2] if len(values) > 1 else 0.0, np.trace(products)
    return scores / np.linalg.norm(scores), float(values[-1] / total), float(1 - second / values[-1])


def _top_two(products: Float[np.ndarray, "k k"]) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, "k c"]]:
    size = len(products)
    if size <= DENSE_LIMIT:
        first = max(size - 2, 0)
        return linalg.eigh(products, subset_by_index=(first, size - 1), check_finite=False)
    start = np.random.default_rng(0).normal(size=size)
    half = LinearOperator(products.shape, lambda v: lapack.times_vector(products.T, v))
    try:
        values, vectors = eigsh(half, k=2, which="LA", v0=start, tol=0)
    except ArpackNoConvergence:
        return linalg.eigh(products, subset_by_index=(size - 2, size - 1), check_finite=False)
    order = np.argsort(values)
    return values[order], vectors[:, order]


def sums_of_singular_values(products: Float[np.ndarray, "m k l"]) -> Float[np.ndarray, " m"]:
    """The sum of the singular values of each of some matrices, taken in float64."""
    return np.array([values.sum() for values in singular_values(products.astype(np.float64))])


def nuclear_draws(
    a: Float[np.ndarray, "n k_a"],
    b: Float[np.ndarray, "n k_b"],
    permutations: ArrayLike,
    *,
    norms: Callable[[Float[np.ndarray, "m k l"]], Float[np.ndarray, " m"]] = sums_of_singular_values,
) -> Float[np.ndarray, " m"]:
    """Sum of the singular values of aᵀ b[p] for every draw p.

    One product and one sum a draw; of small ones some draws in one call, because between calls threads wait
    for each other. From 256 rows the product is in float32 (an error of about 1e-7 of the largest value).

    Args:
        a, b: rows that are paired.
        permutations: (draws, n).
        norms: gives the sums of some products.
    """
    dtype = np.float64 if len(a) < SINGLE_PRECISION_ROWS else np.float32
    left, right = aligned(a.T.shape, dtype), aligned(b.shape, dtype)
    left[...], right[...] = a.T, b
    together = int(np.clip(TOGETHER_BYTES // max(right.nbytes, 1), 1, TOGETHER))

    def score(block: Int[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
        moved = aligned((together, *right.shape), dtype)
        out = aligned((together, len(left), right.shape[1]), dtype)
        scores = np.empty(len(block))
        for first in range(0, len(block), together):
            some = block[first : first + together]
            m = len(some)
            np.matmul(left, np.take(right, some, axis=0, out=moved[:m], mode="clip"), out=out[:m])
            scores[first : first + m] = norms(out[:m])
        return scores

    with one_blas_thread():
        return over_draws(score, permutations, len(a))


def singular_values(products: Float[np.ndarray, "*m k l"]) -> Float[np.ndarray, "*m q"]:
    """Singular values of one matrix or of each of some, falling or not, by the smaller Gram matrix.

    Exact to about 1e-8 of the largest, at a third of the cost of a decomposition. Eigenvalues that are
    only rounding count as 0: thousands of their roots would add up.
    """
    wide = products if products.shape[-2] <= products.shape[-1] else products.swapaxes(-1, -2)
    values = np.linalg.eigvalsh(wide @ wide.swapaxes(-1, -2))
    floor = 4 * np.finfo(float).eps * values[..., -1:]
    return np.sqrt(np.where(values > floor, values, 0.0))
