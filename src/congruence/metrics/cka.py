"""`linear_cka` and `rbf_cka`: alignment of the two sides' centred Gram matrices."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numba
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics import blas
from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import one_blas_thread
from congruence.metrics.inputs import paired
from congruence.metrics.kernels import dot_draws, triangle_draws
from congruence.metrics.lists import FLAT, FromProducts, OfProducts, centred_products, scaled
from congruence.metrics.rdm import condensed, square
from congruence.metrics.subspace import SINGLE_PRECISION_ROWS, centred
from congruence.options import Rule
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


def _prepare(
    measure: str,
    sides: tuple[Any, Any],
    gram: Callable[[Any, str], Float[np.ndarray, "n n"]],
    *,
    debiased: bool,
    **details: Any,
) -> PreparedCka:
    """Centre both Grams (U-centring where debiased) and keep one as a triangle, one as a square.

    Raises:
        InputError: a Gram is zero once centred.
    """
    centre = _u_centre if debiased else _double_centre
    a = centre(gram(sides[0], "x"), "x")
    triangle = np.concatenate([a[i, i + 1 :] for i in range(len(a) - 1)])
    diagonal, norm_a = np.diagonal(a).copy(), np.linalg.norm(a)
    del a
    b = centre(gram(sides[1], "y"), "y")
    diagonals, norm = (diagonal, np.diagonal(b).copy()), float(norm_a * np.linalg.norm(b))
    value = float(np.clip((2 * _upper_product(triangle, b) + diagonals[0] @ diagonals[1]) / norm, -1.0, 1.0))
    dtype = np.float64 if len(b) < SINGLE_PRECISION_ROWS else np.float32
    details = {"debiased": debiased, **details}
    return PreparedCka(measure, value, triangle.astype(dtype), b.astype(dtype), diagonals, norm, details)


def _gram_bytes(n: int) -> int:
    """What `_prepare` holds at most: both sides' entries in eight bytes, and copies in four."""
    return 20 * n * n


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


def _checked(centred_gram: Float[np.ndarray, "n n"], size: float, name: str) -> Float[np.ndarray, "n n"]:
    if np.linalg.norm(centred_gram) <= 1e-12 * size:
        raise InputError(
            f"the Gram matrix of {name} is zero once centred: pass more rows, or rows that differ more"
        )
    return centred_gram


@metric
class LinearCka(OfProducts):
    """Centred kernel alignment of the Gram matrices x xᵀ and y yᵀ.

    HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)). Debiased: HSIC is the unbiased estimator, equal to the inner
    product of the U-centred Grams over n(n−3), so that unrelated sides score 0 on average at any n and
    d; it may be negative. Without it unrelated sides approach 1 as d grows past n.

    Invariant to shifts, isotropic scale and rotations of each side; dominated by their leading
    components. Needs 4 pairs (debiased) and 20 n² bytes.

    Returns:
        Score in [-1, 1] (in [0, 1] if not debiased).

    Raises:
        InputError: bad input, fewer than 4 pairs, or a Gram that vanishes once centred.

    Source: Kornblith et al. 2019 (arXiv 1905.00414), section 3; unbiased HSIC: Song et al. 2012, eq. 5.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(linear_cka(x, 2 * x + 1)), 6)
    1.0
    """

    name = "linear_cka"
    title = "Linear CKA"
    range = (-1.0, 1.0)
    laws = Laws()
    reading = "Overlap of the two sides' similarity structures, debiased so that chance is 0."
    beware = "Dominated by the directions of largest variance; small negative values mean chance."
    says = "the similarity structures overlap by {score}"

    debiased: bool = True
    """Use the unbiased HSIC."""
    unit_rows: bool = False
    """Divide every row by its norm first."""

    @one_blas_thread()
    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedCka:
        """Both centred Gram matrices."""
        rows = DEBIASED_ROWS if self.debiased else 3
        pair = paired(x, y, min_rows=rows, unit_rows=self.unit_rows)
        return _prepare(
            self.name,
            pair,
            lambda side, _: blas.gram(centred(side)),
            debiased=self.debiased,
            unit_rows=self.unit_rows,
        )

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """Grams beside the rows."""
        return super().memory(n, d_a, d_b) + _gram_bytes(n)

    def from_products(self) -> FromProducts:
        """Alignment of the products of each side, centred."""
        return lambda x, y: _of_lists(*x.arrays[:2], *y.arrays[:2], *x.places, self.debiased, self.unit_rows)


@metric
class RbfCka(Measure):
    """Centred kernel alignment with Gaussian kernels of a width set by the median distance.

    HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)), K_ij = exp(−‖x_i − x_j‖² / 2σ²), σ = bandwidth × the median
    distance between different rows of a side. Debiased as in `linear_cka`.

    Invariant to shifts, isotropic scale and rotations of each side. In high dimension all distances are
    alike and it approaches `linear_cka`. Needs 4 pairs (debiased) and 20 n² bytes.

    Returns:
        Score in [-1, 1] (in [0, 1] if not debiased).

    Raises:
        InputError: bad input, a bandwidth not above 0, or a median distance of 0.

    Source: Kornblith et al. 2019 (arXiv 1905.00414), section 3; unbiased HSIC: Song et al. 2012, eq. 5.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(rbf_cka(x, 2 * x + 1)), 6)
    1.0
    """

    name = "rbf_cka"
    title = "RBF CKA"
    range = (-1.0, 1.0)
    laws = Laws()
    reading = "As linear CKA, with a kernel that looks at near neighbours."
    beware = "Depends on the kernel's width."
    says = "the neighbourhood structures overlap by {score}"

    bandwidth: Annotated[
        float, Rule("a number above 0, in units of the median distance", lambda value: 0 < value < np.inf)
    ] = 1.0
    """Kernel width in units of the median distance; smaller looks more locally."""
    debiased: bool = True
    """Use the unbiased HSIC."""

    @one_blas_thread()
    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedCka:
        """Both centred kernel matrices."""
        pair = paired(x, y, min_rows=DEBIASED_ROWS if self.debiased else 3)
        return _prepare(self.name, pair, self._gram, debiased=self.debiased, bandwidth=self.bandwidth)

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """Grams beside the rows."""
        return super().memory(n, d_a, d_b) + _gram_bytes(n)

    def _gram(self, x: Float[np.ndarray, "n d"], name: str) -> Float[np.ndarray, "n n"]:
        """exp(−‖x_i − x_j‖² / 2σ²), σ = bandwidth × median distance between different rows."""
        distances = condensed(x, "euclidean", name)
        sigma = self.bandwidth * float(np.median(distances))
        if sigma == 0:
            raise InputError(f"the median distance between rows of {name} is 0: drop repeated rows")
        gram = square(np.exp(-0.5 * (distances / sigma) ** 2), len(x))
        np.fill_diagonal(gram, 1.0)
        return gram


linear_cka = LinearCka.function
rbf_cka = RbfCka.function


@numba.njit(nogil=True, cache=True)
def _of_lists(cosines_a, norms_a, cosines_b, norms_b, offsets, squares, debiased, unit_rows):  # noqa: PLR0917
    """Alignment of each list's products on both sides."""
    out = np.full(len(offsets) - 1, np.nan)
    for k in range(len(out)):
        own, n = slice(offsets[k], offsets[k + 1]), offsets[k + 1] - offsets[k]
        x, y = norms_a[own], norms_b[own]
        if n < (DEBIASED_ROWS if debiased else 3) or (unit_rows and min(x.min(), y.min()) == 0):
            continue
        a = cosines_a[squares[k] : squares[k + 1]].reshape(n, n)
        b = cosines_b[squares[k] : squares[k + 1]].reshape(n, n)
        if not unit_rows:
            a, b = scaled(a, x), scaled(b, y)
        if debiased:
            out[k] = _debiased(a, b)
        else:
            flat_a, flat_b = FLAT * _margins(a)[2], FLAT * _margins(b)[2]
            out[k] = _alignment(centred_products(a), centred_products(b), flat_a, flat_b)
    return out


@numba.njit(nogil=True, cache=True)
def _aligned(ab, aa, bb, flat_a, flat_b):
    """Σ ab / √(Σ aa Σ bb) of sums held in parts; NaN where a side is flat."""
    x, y, z = 0.0, 0.0, 0.0
    for j in range(len(ab)):
        x += ab[j]
        y += aa[j]
        z += bb[j]
    if y <= flat_a * flat_a or z <= flat_b * flat_b:
        return np.nan
    return min(max(x / np.sqrt(y * z), -1.0), 1.0)


@numba.njit(nogil=True, cache=True)
def _alignment(a, b, flat_a, flat_b):
    """Σ ab / √(Σ aa Σ bb); sums run down the columns, in one order."""
    n = len(a)
    ab, aa, bb = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        u, v = a[i], b[i]
        for j in range(n):
            ab[j] += u[j] * v[j]
            aa[j] += u[j] * u[j]
            bb[j] += v[j] * v[j]
    return _aligned(ab, aa, bb, flat_a, flat_b)


@numba.njit(nogil=True, cache=True)
def _margins(a):
    """Row sums without the diagonal over n − 2, their share of the grand sum, and the size of all entries."""
    n = len(a)
    sums = np.zeros(n)
    squares = np.zeros(n)
    for i in range(n):
        u = a[i]
        for j in range(n):
            sums[j] += u[j]
            squares[j] += u[j] * u[j]
    grand, size = 0.0, 0.0
    for j in range(n):
        sums[j] -= a[j, j]
        grand += sums[j]
        size += squares[j]
        sums[j] /= n - 2
    return sums, grand / ((n - 1) * (n - 2)), np.sqrt(size)


@numba.njit(nogil=True, cache=True)
def _debiased(a, b):
    """Alignment of the U-centred matrices (Song et al. 2012), sums down the columns, in one order."""
    n = len(a)
    sums_a, grand_a, size_a = _margins(a)
    sums_b, grand_b, size_b = _margins(b)
    ab, aa, bb = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(1, n):
        u, v = a[i], b[i]
        shift_a, shift_b = grand_a - sums_a[i], grand_b - sums_b[i]
        for j in range(i):
            x = u[j] + (shift_a - sums_a[j])
            y = v[j] + (shift_b - sums_b[j])
            ab[j] += x * y
            aa[j] += x * x
            bb[j] += y * y
    return _aligned(ab, aa, bb, FLAT * size_a, FLAT * size_b)
