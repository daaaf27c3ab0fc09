"""`pc1_correlation`: what the published "SVCCA" scores measure."""

from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.base import Laws, metric
from congruence.metrics.blas import in_parallel
from congruence.metrics.inputs import paired
from congruence.metrics.kernels import dot_draws
from congruence.metrics.lists import FLAT, FromProducts, OfProducts, centred_products, scaled
from congruence.metrics.shared import SharedRows
from congruence.metrics.subspace import first_component
from congruence.records import Score

UNIQUE_GAP = 1e-9
STEPS, SETTLED = 1000, 1e-8
"""Of the search for a leading eigenvector: most of them, and the residual at which it ends."""


@dataclass(frozen=True)
class PreparedPc1:
    """Unit first-component scores of both sides: a draw is one dot product."""

    u: Float[np.ndarray, " n"]
    v: Float[np.ndarray, " n"]
    share: tuple[float, float]
    gap: float
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.u)

    def observed(self) -> Score:
        """|u·v|, with the share of variance each first component carries."""
        details = {
            "variance_a": self.share[0],
            "variance_b": self.share[1],
            "null_mean_law": null_law(self.n),
        }
        warnings = ()
        if self.gap < UNIQUE_GAP:
            warnings = ("the first two components have equal variance: the first one isn't unique",)
        value = float(self.repaired(np.arange(self.n)[None, :])[0])
        return Score("pc1_correlation", value, self.n, details, warnings)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """|u·v[p]| for each draw."""
        return np.minimum(np.abs(dot_draws(self.u, self.v, permutations)), 1.0)


def null_law(n: int) -> float:
    """Mean of |r| between unrelated scores of n pairs: √(2/(π(n−1)))."""
    return float(np.sqrt(2 / (np.pi * (n - 1))))


@metric
class Pc1Correlation(OfProducts):
    """Absolute correlation of the first principal-component scores: what the papers print as SVCCA.

    |Σ_i u_i v_i|, u and v the unit first left singular vectors of the column-centred sides. Under
    random pairing its mean is √(2/(π(n−1))), whatever the data: .17 at 24 pairs, .05 at 228.

    Invariant to shifts, isotropic scale and rotations of each side, not to other linear maps. It sees
    one direction a side, so it misses any likeness outside it, and it isn't defined where the first
    two components tie.

    Returns:
        Score in [0, 1]; details: share of variance of each first component, the null mean's law.

    Raises:
        InputError: unequal rows, fewer than 3 pairs, NaN, or no variance.

    Source: the code published with Lan et al. 2024 (arXiv 2410.06981), which keeps one component
    because it compares a normalised with an un-normalised sum.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(pc1_correlation(x, 2 * x + 1)), 6)
    1.0
    """

    name = "pc1_correlation"
    title = "First-component correlation"
    range = (0.0, 1.0)
    laws = Laws()
    reading = "|Pearson r| between the first principal-component scores of the two paired decoder matrices."
    beware = (
        "This is what the published tables call SVCCA: their code keeps one component. It looks at one "
        "direction of each space only, and for n pairs its chance level is √(2/(π(n−1))), not 0."
    )
    says = "the first principal components correlate by {score}"

    list_resolution: ClassVar[float] = 1e-6
    shares_rows: ClassVar[bool] = True

    center: bool = True
    """Subtract column means first; without it the value is a cosine, and its null is higher."""
    unit_rows: bool = False
    """Divide every row by its norm before that."""

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedPc1:
        """Both first components."""
        pair = paired(x, y, unit_rows=self.unit_rows)
        sides = SharedRows.of(x, pair.x), SharedRows.of(y, pair.y)
        (u, share_a, gap_a), (v, share_b, gap_b) = in_parallel(
            lambda side: first_component(side, center=self.center), sides
        )
        return PreparedPc1(u, v, (share_a, share_b), min(gap_a, gap_b))

    def from_products(self) -> FromProducts:
        """|u·v|, u and v the leading eigenvectors of the sides' products."""
        return lambda x, y: _of_lists(*x.arrays[:2], *y.arrays[:2], *x.places, self.center, self.unit_rows)


pc1_correlation = Pc1Correlation.function


@numba.njit(nogil=True, cache=True)
def _of_lists(cosines_a, norms_a, cosines_b, norms_b, offsets, squares, center, unit_rows):  # noqa: PLR0917
    """|u·v| of the leading eigenvectors of each list's products on both sides."""
    out = np.full(len(offsets) - 1, np.nan)
    for k in range(len(out)):
        own, n = slice(offsets[k], offsets[k + 1]), offsets[k + 1] - offsets[k]
        if n < 3:
            continue
        a = cosines_a[squares[k] : squares[k + 1]].reshape(n, n)
        b = cosines_b[squares[k] : squares[k + 1]].reshape(n, n)
        x, y = _products(a, norms_a[own], center, unit_rows), _products(b, norms_b[own], center, unit_rows)
        if len(x) and len(y):
            out[k] = min(abs(_dot(_leading(x), _leading(y))), 1.0)
    return out


@numba.njit(nogil=True, cache=True)
def _products(cosines, norms, center, unit_rows):
    """The products whose leading eigenvector is wanted; nothing where the rows don't vary."""
    gram = scaled(cosines, norms)
    centred = centred_products(gram)
    if np.trace(centred) <= FLAT * np.trace(gram) or (unit_rows and norms.min() == 0):
        return gram[:0]
    if unit_rows:
        return centred_products(cosines) if center else cosines.copy()
    return centred if center else gram


@numba.njit(nogil=True, cache=True)
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
    size_before = 0.0
    _times(gram, vector, image)
    for step in range(STEPS):
        value = _dot(vector, image)
        for i in range(n):
            residual[i] = image[i] - value * vector[i]
        size = _dot(residual, residual)
        if size <= (SETTLED * value) ** 2:
            break
        change = size - _dot(residual, before)
        keep = max(change, 0.0) / size_before if step % n else 0.0
        size_before = size
        for i in range(n):
            direction[i] = residual[i] + keep * direction[i]
            before[i] = residual[i]
        shared = _dot(direction, vector)
        for i in range(n):
            unit[i] = direction[i] - shared * vector[i]
        inverse = 1 / np.sqrt(_dot(unit, unit))
        for i in range(n):
            unit[i] *= inverse
        _times(gram, unit, turned)
        cosine, sine = _half_angle(value - _dot(unit, turned), 2 * _dot(unit, image))
        for i in range(n):
            vector[i] = cosine * vector[i] + sine * unit[i]
            image[i] = cosine * image[i] + sine * turned[i]
    return vector / np.sqrt(_dot(vector, vector))


@numba.njit(nogil=True, cache=True)
def _half_angle(along, across):
    """Cosine and sine of half the angle whose cosine and sine are as these two numbers."""
    size = np.sqrt(along * along + across * across)
    if size == 0:
        return 1.0, 0.0
    larger = np.sqrt(0.5 * (1 + abs(along) / size))
    smaller = across / (2 * size * larger)
    return (larger, smaller) if along >= 0 else (abs(smaller), larger if across >= 0 else -larger)


@numba.njit(nogil=True, cache=True)
def _times(gram, vector, out):
    """A symmetric matrix times a vector, column by column: every sum in one order, many sums at once."""
    n = len(vector)
    whole = n // 4 * 4
    for i in range(n):
        out[i] = 0.0
    for j in range(0, whole, 4):
        g0, g1, g2, g3 = gram[j], gram[j + 1], gram[j + 2], gram[j + 3]
        v0, v1, v2, v3 = vector[j], vector[j + 1], vector[j + 2], vector[j + 3]
        for i in range(n):
            out[i] += (g0[i] * v0 + g1[i] * v1) + (g2[i] * v2 + g3[i] * v3)
    for j in range(whole, n):
        row, weight = gram[j], vector[j]
        for i in range(n):
            out[i] += row[i] * weight


@numba.njit(nogil=True, cache=True)
def _dot(u, v):
    """Σ u v in four interleaved parts."""
    n = len(u)
    whole = n // 4 * 4
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    for i in range(0, whole, 4):
        s0 += u[i] * v[i]
        s1 += u[i + 1] * v[i + 1]
        s2 += u[i + 2] * v[i + 2]
        s3 += u[i + 3] * v[i + 3]
    for i in range(whole, n):
        s0 += u[i] * v[i]
    return (s0 + s1) + (s2 + s3)
