"""Leading eigenvectors of a large symmetric matrix, found in float32 and made exact in float64.

Most of an eigenproblem is the reduction to three diagonals, half of which waits for memory: in float32 it
takes half the time. Its eigenvectors are right to some 1e-6 over the gap. Each step then takes the residuals
in float64, solves the reduced problem for what is missing, and takes the best vectors of the space spanned
(Rayleigh and Ritz): errors shrink by what float32 can tell, so that two steps are enough.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import linalg

from congruence.aligned import aligned
from congruence.errors import InputError
from congruence.metrics import lapack

LARGE = 1536
"""Size from which float32 is worth its steps."""
BUFFER = 16
"""Vectors beyond those wanted, so that an order which float32 can't tell isn't decided by it."""
STEPS = 4
CLOSE, ROUNDING = 1e-11, 4e-15
"""A vector is found where its residual is below so much of its distance to what isn't wanted, or of the
largest eigenvalue, which is LAPACK's own rounding."""


def leading_eigenvectors(
    products: Float[np.ndarray, "n n"], most: int
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "n k"]]:
    """The `most` largest eigenvalues, rising, and their eigenvectors; the matrix is left as it is.

    Where float32 doesn't lead to them within a few steps (eigenvalues too close together at the cut), the
    problem is solved in float64.
    """
    if len(products) >= LARGE and 4 * (most + BUFFER) < len(products):
        found = _refined(products, most)
        if found is not None:
            return found
    return lapack.eigh(np.array(products, order="F"), most=most)


class _Reduced(NamedTuple):
    """scale · Q T Qᵀ, nearly the matrix: Q as reflections in float32, T in float64."""

    scale: float
    turned: lapack.Reflections
    diagonal: Float[np.ndarray, " n"]
    beside: Float[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n q"]

    def missing(self, residual: Float[np.ndarray, "n c"], values: Float[np.ndarray, " c"]) -> np.ndarray:
        """(T − value)⁻¹ of residuals, without what lies in the space of the vectors, as (n, c)."""
        given = lapack.turn(self.turned, residual / self.scale, back=True).astype(np.float64)
        for k, value in enumerate(values / self.scale):
            given[:, k] = lapack.solve_tridiagonal(self.diagonal - value, self.beside, given[:, k])
        given -= self.vectors @ (self.vectors.T @ given)
        return lapack.turn(self.turned, given).astype(np.float64)


def _reduced(products: Float[np.ndarray, "n n"], count: int) -> _Reduced | None:
    """The matrix reduced in float32, with the leading eigenvectors of what it is reduced to."""
    scale = float(np.trace(products)) / len(products)
    if scale <= 0:
        return None
    short = aligned(products.shape, np.float32)
    np.multiply(products, 1 / scale, out=short, casting="same_kind")
    diagonal, beside, turned = lapack.tridiagonal(short.T)
    found = lapack.eigh_tridiagonal(diagonal.astype(np.float64), beside.astype(np.float64), count)
    if found is None:
        return None
    return _Reduced(scale, turned, diagonal.astype(np.float64), beside.astype(np.float64), found[:, ::-1])


def _refined(
    products: Float[np.ndarray, "n n"], most: int
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "n k"]] | None:
    """Eigenvalues and vectors by steps from float32; None where these don't lead there."""
    try:
        reduced = _reduced(products, most + BUFFER)
        if reduced is None:
            return None
        x = lapack.turn(reduced.turned, reduced.vectors).astype(np.float64)
        image = products @ x
        for step in range(STEPS):
            values, x, image = _best(x, image)
            residual = image[:, :most] - x[:, :most] * values[:most]
            apart = values[:most] - values[most]
            allowed = np.maximum(CLOSE * apart, ROUNDING * values[0])
            left = np.flatnonzero(~(np.linalg.norm(residual, axis=0) <= allowed))
            if not len(left):
                return values[:most][::-1], x[:, :most][:, ::-1]
            if step + 1 < STEPS:
                x[:, left] -= reduced.missing(residual[:, left], values[left])
                image[:, left] = products @ x[:, left]
    except (InputError, linalg.LinAlgError):
        return None
    return None


def _best(
    x: Float[np.ndarray, "n q"], image: Float[np.ndarray, "n q"]
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, "n q"], Float[np.ndarray, "n q"]]:
    """Ritz values of the space of x, falling, and the vectors, orthonormal, with their images."""
    inner = x.T @ image
    values, turn = linalg.eigh((inner + inner.T) / 2, x.T @ x)
    values, turn = values[::-1], np.ascontiguousarray(turn[:, ::-1])
    return values, x @ turn, image @ turn
