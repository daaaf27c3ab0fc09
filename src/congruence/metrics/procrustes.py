"""`procrustes`: how well one rotation and one scale lay y over x."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.inputs import paired
from congruence.metrics.registry import Laws, metric
from congruence.metrics.subspace import centred, nuclear_draws
from congruence.records import Score


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
        value = float(np.linalg.svd(self.x.T @ self.y, compute_uv=False).sum())
        return Score("procrustes", min(value, 1.0), self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """Nuclear norm of each draw."""
        return np.minimum(nuclear_draws(self.x, self.y, permutations), 1.0)


def _prepare(
    x: ArrayLike, y: ArrayLike, *, center: bool = True, unit_rows: bool = False
) -> PreparedProcrustes:
    pair = paired(x, y, unit_rows=unit_rows)
    sides = [centred(side) if center else side for side in pair]
    a, b = (_at_most_n_columns(side / np.linalg.norm(side)) for side in sides)
    return PreparedProcrustes(a, b, {"center": center, "unit_rows": unit_rows})


def _at_most_n_columns(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
    """The same rows in coordinates of their own span: d > n columns are a rotation of n columns."""
    if x.shape[1] <= x.shape[0]:
        return x
    return np.ascontiguousarray(np.asarray(np.linalg.qr(x.T, mode="r")).T)


@metric(prepare=_prepare, laws=Laws(), range=(0.0, 1.0))
def procrustes(x: ArrayLike, y: ArrayLike, *, center: bool = True, unit_rows: bool = False) -> Score:
    """Congruence of two configurations of points up to rotation and scale; 1 = congruent.

    ‖XcᵀYc‖_* / (‖Xc‖_F ‖Yc‖_F): the nuclear norm over the Frobenius norms of the centred sides, so
    √(1 − this²) is the classical Procrustes distance of unit configurations.

    Invariant to shifts (unless `center=False`), isotropic scale and rotations of each side. Unrelated
    sides score high where d is not small against n: compare with the null, never with 0.

    Args:
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        center: subtract column means first.
        unit_rows: divide every row by its norm before that.

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
    return _prepare(x, y, center=center, unit_rows=unit_rows).observed()
