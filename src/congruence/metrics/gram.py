"""Centred Gram matrices and their alignment under re-pairing: what both kinds of CKA share."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.kernels import dot_draws, triangle_draws
from congruence.metrics.subspace import SINGLE_PRECISION_ROWS
from congruence.records import Score

DEBIASED_ROWS = 4


@dataclass(frozen=True)
class PreparedCka:
    """Both Grams centred once: a draw is a gather and a dot product over row pairs.

    From 256 rows the entries are held in float32 (a draw's error is below 1e-7); `value` is in float64.
    """

    measure: str
    value: float
    triangle: Float[np.ndarray, " pairs"]
    square: Float[np.ndarray, "n n"]
    diagonals: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]
    norm: float
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-6

    @property
    def n(self) -> int:
        return len(self.square)

    def observed(self) -> Score:
        """Alignment of the Grams of the rows as they are paired."""
        return Score(self.measure, self.value, self.n, self.details)

    def repaired(self, permutations: ArrayLike) -> Float[np.ndarray, " m"]:
        """⟨K, L[p, p]⟩ over ‖K‖‖L‖ for each draw."""
        inner = 2 * triangle_draws(self.triangle, self.square, permutations)
        inner += dot_draws(*self.diagonals, permutations)
        return np.clip(inner / self.norm, -1.0, 1.0)


def prepare_cka(
    measure: str, grams: Iterator[Float[np.ndarray, "n n"]], *, debiased: bool, **details: Any
) -> PreparedCka:
    """Centre both Grams (U-centring where debiased) and keep one as a triangle, one as a square.

    Args:
        measure: name of the measure.
        grams: gives the Gram matrices of x and of y, one after the other; each is centred in place.
        debiased: inner products of the centred Grams are the unbiased HSIC.
        **details: what the record should say besides.

    Raises:
        InputError: a Gram is zero once centred.
    """
    centre = _u_centre if debiased else _double_centre
    a = centre(next(grams), "x")
    triangle = np.concatenate([a[i, i + 1 :] for i in range(len(a) - 1)])
    diagonal, norm_a = np.diagonal(a).copy(), np.linalg.norm(a)
    del a
    b = centre(next(grams), "y")
    diagonals, norm = (diagonal, np.diagonal(b).copy()), float(norm_a * np.linalg.norm(b))
    value = float(np.clip((2 * _upper_product(triangle, b) + diagonals[0] @ diagonals[1]) / norm, -1.0, 1.0))
    dtype = np.float64 if len(b) < SINGLE_PRECISION_ROWS else np.float32
    details = {"debiased": debiased, **details}
    return PreparedCka(measure, value, triangle.astype(dtype), b.astype(dtype), diagonals, norm, details)


def _upper_product(triangle: Float[np.ndarray, " pairs"], square: Float[np.ndarray, "n n"]) -> float:
    """Σ_{i<j} triangle[i, j] square[i, j]."""
    n, total, start = len(square), 0.0, 0
    for i in range(n - 1):
        total += float(triangle[start : start + n - 1 - i] @ square[i, i + 1 :])
        start += n - 1 - i
    return total


def _double_centre(gram: Float[np.ndarray, "n n"], name: str) -> Float[np.ndarray, "n n"]:
    size, means = float(np.linalg.norm(gram)), gram.mean(axis=0)
    return _checked(_shifted(gram, means, means.mean()), size, name)


def _u_centre(gram: Float[np.ndarray, "n n"], name: str) -> Float[np.ndarray, "n n"]:
    """Off-diagonal centring whose inner product over n(n−3) is the unbiased HSIC."""
    n, size = len(gram), float(np.linalg.norm(gram))
    np.fill_diagonal(gram, 0.0)
    sums = gram.sum(axis=0)
    _shifted(gram, sums / (n - 2), sums.sum() / ((n - 1) * (n - 2)))
    np.fill_diagonal(gram, 0.0)
    return _checked(gram, size, name)


def _shifted(
    gram: Float[np.ndarray, "n n"], margins: Float[np.ndarray, " n"], constant: float
) -> Float[np.ndarray, "n n"]:
    """Take the margins off rows and columns and add a constant, in place."""
    gram -= margins[None, :]
    gram -= (margins - constant)[:, None]
    return gram


def _checked(centred: Float[np.ndarray, "n n"], size: float, name: str) -> Float[np.ndarray, "n n"]:
    if np.linalg.norm(centred) <= 1e-12 * size:
        raise InputError(
            f"the Gram matrix of {name} is zero once centred: pass more rows, or rows that differ more"
        )
    return centred
