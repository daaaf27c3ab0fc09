"""`mean_cosine`: do paired rows point the same way, in one and the same space?"""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import product
from congruence.metrics.inputs import paired, same_width, to_unit_rows
from congruence.metrics.kernels import lookup_draws, over_draws
from congruence.records import Score

TABLE_ROWS = 16_000


@dataclass(frozen=True)
class PreparedCosine:
    """Unit rows, and the table of all their cosines where it fits: a draw is n entries of it."""

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n d"]
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.x)

    def observed(self) -> Score:
        """Mean cosine of the paired rows."""
        total = float(_cosine_draws(self.x, self.y, np.arange(self.n)[None, :])[0])
        return Score("mean_cosine", float(np.clip(total / self.n, -1.0, 1.0)), self.n)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same for each draw."""
        if self.n <= TABLE_ROWS:
            sums = lookup_draws(self._table, permutations)
        else:
            sums = over_draws(lambda block: _cosine_draws(self.x, self.y, block), permutations, self.n)
        return np.clip(sums / self.n, -1.0, 1.0)

    @cached_property
    def _table(self) -> Float[np.ndarray, "n n"]:
        return product(self.x, self.y.T)


@metric
class MeanCosine(Measure):
    """Mean cosine of paired rows that lie in one space.

    (1/n) Σ_i x_i·y_i / ‖x_i‖‖y_i‖. Only where both spaces are one model's (two SAEs of one layer): the
    axes of different models have nothing to do with each other.

    Invariant to the scale of each row, not to shifts or to a rotation of one side alone.

    Returns:
        Score in [-1, 1].

    Raises:
        InputError: bad input, unequal widths, or a zero row.

    Source: the decoder-cosine comparison of Lan et al. 2024 (arXiv 2410.06981), appendix A.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(mean_cosine(x, 2 * x)), 6)
    1.0
    """

    name = "mean_cosine"
    title = "Mean cosine"
    range = (-1.0, 1.0)
    laws = Laws(translation=False, orthogonal=False, same_width=True)
    reading = "Mean cosine of the paired decoder rows as they stand."
    beware = "Means something only where both sides read the same model's space."
    says = "paired directions have a mean cosine of {score}"
    sides = ("(n, d) rows of side A.", "(n, d) rows of side B, row i paired with row i of x.")

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """The table of cosines, where there is one."""
        return super().memory(n, d_a, d_b) + (8 * n * n if n <= TABLE_ROWS else 0)

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedCosine:
        """Unit rows of both sides."""
        pair = same_width(paired(x, y), self.name)
        return PreparedCosine(to_unit_rows(pair.x, "x"), to_unit_rows(pair.y, "y"))


mean_cosine = MeanCosine.function


@numba.njit(nogil=True, cache=True)
def _cosine_draws(x, y, permutations):
    """Σ_i x[i]·y[p[i]] for every draw p of a block."""
    out = np.empty(len(permutations))
    width = x.shape[1]
    whole = width // 4 * 4
    for d in range(len(permutations)):
        total = 0.0
        for i in range(len(x)):
            partner, row = y[permutations[d, i]], x[i]
            s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
            for c in range(0, whole, 4):
                s0 += row[c] * partner[c]
                s1 += row[c + 1] * partner[c + 1]
                s2 += row[c + 2] * partner[c + 2]
                s3 += row[c + 3] * partner[c + 3]
            for c in range(whole, width):
                s0 += row[c] * partner[c]
            total += (s0 + s1) + (s2 + s3)
        out[d] = total
    return out
