"""`mppc`: each column's best correlated column on the other side."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.inputs import paired
from congruence.metrics.kernels import one_blas_thread, over_draws
from congruence.metrics.registry import Laws, metric
from congruence.metrics.subspace import centred
from congruence.records import Score


@dataclass(frozen=True)
class PreparedMppc:
    """Standardised columns: a draw is one product and a maximum."""

    x: Float[np.ndarray, "n f"]
    y: Float[np.ndarray, "n g"]
    details: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.x)

    def observed(self) -> Score:
        """Mean over columns of x of the largest correlation with a column of y."""
        return Score("mppc", self._score(np.arange(self.n)), self.n, self.details, self.warnings)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same for each draw."""
        with one_blas_thread():
            return over_draws(lambda block: np.array([self._score(p) for p in block]), permutations, self.n)

    def _score(self, order: Int[np.ndarray, " n"]) -> float:
        return float(np.minimum((self.x.T @ self.y[order]).max(axis=1), 1.0).mean())


def _prepare(x: ArrayLike, y: ArrayLike) -> PreparedMppc:
    pair = paired(x, y)
    a, b = _varying(pair.x), _varying(pair.y)
    left_out = {"constant_a": pair.x.shape[1] - a.shape[1], "constant_b": pair.y.shape[1] - b.shape[1]}
    warnings = (f"constant columns left out: {left_out}",) if any(left_out.values()) else ()
    return PreparedMppc(a, b, left_out, warnings)


def _varying(x: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n g"]:
    """Centred columns of unit norm, without those that don't vary."""
    xc = centred(x)
    norms = np.linalg.norm(xc, axis=0)
    varies = np.ptp(x, axis=0) > 1e-13 * np.abs(x).max(axis=0)
    return xc[:, varies] / norms[varies]


@metric(
    prepare=_prepare,
    laws=Laws(symmetric=False, orthogonal=False),
    range=(-1.0, 1.0),
)
def mppc(x: ArrayLike, y: ArrayLike) -> Score:
    """Mean over the columns of x of the highest Pearson correlation with any column of y.

    (1/f) Σ_f max_g r(x_f, y_g): rows are paired samples (tokens), columns are features. Columns that
    don't vary are left out and counted.

    Invariant to shifts, to the scale of every column and to the order of columns; not to rotations; not
    symmetric. The maximum over many columns is high by chance where n is small: compare with the null.

    Args:
        x: (n, f) features of side A on n samples.
        y: (n, g) features of side B on the same samples.

    Returns:
        Score in [-1, 1]; details: constant columns left out on each side.

    Raises:
        InputError: unequal rows, fewer than 3 samples, NaN, or no variance.

    Source: Wang et al. 2024 (arXiv 2410.06672), section 4.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(mppc(x, 2 * x[:, ::-1] + 1)), 6)
    1.0
    """
    return _prepare(x, y).observed()
