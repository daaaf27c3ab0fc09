"""`procrustes`: how well one rotation and one scale lay y over x."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import in_parallel, one_blas_thread, product
from congruence.metrics.inputs import paired
from congruence.metrics.nuclear import nuclear_norms
from congruence.metrics.subspace import centred, nuclear_draws, sums_of_singular_values
from congruence.records import Score

MANY = 400
"""Columns of either side from which singular values aren't taken one by one."""


@dataclass(frozen=True)
class PreparedProcrustes:
    """Both sides at unit norm, in at most n coordinates: a draw is one product and its singular values."""

    x: Float[np.ndarray, "n k_a"]
    y: Float[np.ndarray, "n k_b"]
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-6

    @property
    def n(self) -> int:
        return len(self.x)

    def observed(self) -> Score:
        """Nuclear norm of xᵀy."""
        with one_blas_thread():
            value = float(np.linalg.svd(product(self.x.T, self.y), compute_uv=False).sum())
        return Score("procrustes", min(value, 1.0), self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """Nuclear norm of each draw."""
        many = min(self.x.shape[1], self.y.shape[1]) > MANY
        norms = nuclear_norms if many else sums_of_singular_values
        return np.minimum(nuclear_draws(self.x, self.y, permutations, norms=norms), 1.0)


def _at_most_n_columns(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
    """The same rows in coordinates of their own span: d > n columns are a rotation of n columns."""
    if x.shape[1] <= x.shape[0]:
        return x
    return np.ascontiguousarray(np.asarray(np.linalg.qr(x.T, mode="r")).T)


@metric
class Procrustes(Measure):
    """Congruence of two configurations of points up to rotation and scale; 1 = congruent.

    ‖XcᵀYc‖_* / (‖Xc‖_F ‖Yc‖_F): the nuclear norm over the Frobenius norms of the centred sides, so
    √(1 − this²) is the classical Procrustes distance of unit configurations.

    Invariant to shifts (unless `center=False`), isotropic scale and rotations of each side. Unrelated
    sides score high where d is not small against n: compare with the null, never with 0.

    Returns:
        Score in [0, 1].

    Raises:
        InputError: unequal rows, fewer than 3 pairs, NaN, or no variance.

    Source: Gower 1975; Ding, Denain and Steinhardt 2021 (arXiv 2108.01661), section 3.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(procrustes(x, 2 * x + 1)), 6)
    1.0
    """

    name = "procrustes"
    title = "Procrustes"
    range = (0.0, 1.0)
    laws = Laws()
    reading = "How much of the two spaces coincides after the best rotation; 1 means congruent."
    beware = "The rotation is fitted on the very pairs it is scored on: compare with the null, not with 0."
    says = "after the best rotation the spaces coincide by {score}"

    center: bool = True
    """Subtract column means first."""
    unit_rows: bool = False
    """Divide every row by its norm before that."""

    @one_blas_thread()
    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedProcrustes:
        """Both sides at unit norm, in at most n columns."""
        pair = paired(x, y, unit_rows=self.unit_rows)
        sides = [centred(side) if self.center else side for side in pair]
        a, b = in_parallel(_at_most_n_columns, [side / np.linalg.norm(side) for side in sides])
        return PreparedProcrustes(a, b, {"center": self.center, "unit_rows": self.unit_rows})


procrustes = Procrustes.function
