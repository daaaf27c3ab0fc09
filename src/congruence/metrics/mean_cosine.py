"""`mean_cosine`: do paired rows point the same way, in one and the same space?"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.inputs import paired, same_width, to_unit_rows
from congruence.metrics.kernels import cosine_draws, lookup_draws, over_draws
from congruence.metrics.registry import Laws, metric
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
        value = float(np.einsum("nd,nd->", self.x, self.y)) / self.n
        return Score("mean_cosine", float(np.clip(value, -1.0, 1.0)), self.n)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same for each draw."""
        if self.n <= TABLE_ROWS:
            sums = lookup_draws(self._table, permutations)
        else:
            sums = over_draws(lambda block: cosine_draws(self.x, self.y, block), permutations, self.n)
        return np.clip(sums / self.n, -1.0, 1.0)

    @cached_property
    def _table(self) -> Float[np.ndarray, "n n"]:
        return self.x @ self.y.T


def _prepare(x: ArrayLike, y: ArrayLike) -> PreparedCosine:
    pair = same_width(paired(x, y), "mean_cosine")
    return PreparedCosine(to_unit_rows(pair.x, "x"), to_unit_rows(pair.y, "y"))


@metric(
    prepare=_prepare,
    laws=Laws(translation=False, orthogonal=False, same_width=True),
    range=(-1.0, 1.0),
)
def mean_cosine(x: ArrayLike, y: ArrayLike) -> Score:
    """Mean cosine of paired rows that lie in one space.

    (1/n) Σ_i x_i·y_i / ‖x_i‖‖y_i‖. Only where both spaces are one model's (two SAEs of one layer): the
    axes of different models have nothing to do with each other.

    Invariant to the scale of each row, not to shifts or to a rotation of one side alone.

    Args:
        x: (n, d) rows of side A.
        y: (n, d) rows of side B, row i paired with row i of x.

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
    return _prepare(x, y).observed()
