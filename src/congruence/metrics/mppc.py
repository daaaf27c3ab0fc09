"""`mppc`: each column's best correlated column on the other side."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.aligned import aligned
from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import one_blas_thread
from congruence.metrics.inputs import paired
from congruence.metrics.kernels import over_draws
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
        value = float(self.repaired(np.arange(self.n)[None, :])[0])
        return Score("mppc", value, self.n, self.details, self.warnings)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same for each draw."""
        with one_blas_thread():
            return over_draws(lambda block: np.array([self._score(p) for p in block]), permutations, self.n)

    def _score(self, order: Int[np.ndarray, " n"]) -> float:
        moved = np.take(self.y, order, axis=0, out=aligned(self.y.shape))
        return float(np.minimum((self.x.T @ moved).max(axis=1), 1.0).mean())


def _varying(x: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n g"]:
    """Centred columns of unit norm, without those that don't vary."""
    xc = centred(x)
    norms = np.linalg.norm(xc, axis=0)
    varies = np.ptp(x, axis=0) > 1e-13 * np.abs(x).max(axis=0)
    out = aligned((len(x), int(varies.sum())))
    return np.divide(xc[:, varies], norms[varies], out=out)


@metric
class Mppc(Measure):
    """Mean over the columns of x of the highest Pearson correlation with any column of y.

    (1/f) Σ_f max_g r(x_f, y_g): rows are paired samples (tokens), columns are features. Columns that
    don't vary are left out and counted.

    Invariant to shifts, to the scale of every column and to the order of columns; not to rotations; not
    symmetric. The maximum over many columns is high by chance where n is small: compare with the null.

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

    name = "mppc"
    title = "Best-column correlation (MPPC)"
    range = (-1.0, 1.0)
    laws = Laws(symmetric=False, orthogonal=False)
    reading = (
        "For each column of the first side, the highest Pearson correlation with any column of the second; "
        "the score is the mean of these."
    )
    beware = (
        "It compares columns, so on decoder rows it asks about the axes of the two spaces. Not symmetric, "
        "and high by chance where the columns are many and the rows few: compare with the null, not with 0."
    )
    says = "columns correlate with their best counterpart by {score}"
    sides = ("(n, f) features of side A on n samples.", "(n, g) features of side B on the same samples.")

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedMppc:
        """Standardised columns of both sides, without those that don't vary."""
        pair = paired(x, y)
        a, b = _varying(pair.x), _varying(pair.y)
        left_out = {"constant_a": pair.x.shape[1] - a.shape[1], "constant_b": pair.y.shape[1] - b.shape[1]}
        warnings = (f"constant columns left out: {left_out}",) if any(left_out.values()) else ()
        return PreparedMppc(a, b, left_out, warnings)


mppc = Mppc.function
