"""`pw_mcc`: how far two dictionaries agree once each row has its best partner."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from congruence.metrics.inputs import paired, same_width, to_unit_rows
from congruence.metrics.registry import Laws, metric
from congruence.records import Score


@dataclass(frozen=True)
class PreparedMatchedCosine:
    """Absolute cosines of all rows of x with all rows of y; the matching undoes any re-pairing."""

    value: float
    n: int
    resolution: float = 1e-10

    def observed(self) -> Score:
        """Mean absolute cosine of the best matching."""
        return Score("pw_mcc", self.value, self.n)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same value for every draw."""
        return np.full(len(permutations), self.value)


def _prepare(x: ArrayLike, y: ArrayLike) -> PreparedMatchedCosine:
    pair = same_width(paired(x, y), "pw_mcc")
    cosines = np.abs(to_unit_rows(pair.x, "x") @ to_unit_rows(pair.y, "y").T)
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    return PreparedMatchedCosine(min(float(cosines[rows, columns].mean()), 1.0), pair.n)


@metric(
    prepare=_prepare,
    laws=Laws(translation=False, orthogonal=False, pairing=False, same_width=True),
    range=(0.0, 1.0),
)
def pw_mcc(x: ArrayLike, y: ArrayLike) -> Score:
    """Mean absolute cosine of the rows of two dictionaries under the best one-to-one matching.

    max over permutations π of (1/n) Σ_i |x_i·y_π(i)| / ‖x_i‖‖y_π(i)‖. Only where both spaces are one
    model's (two SAEs of one layer).

    Invariant to the scale and sign of each row and to the order of rows on either side; so re-pairing is
    no null for it: use one that draws other rows (`subset`) or other dictionaries.

    Args:
        x: (n, d) rows of one dictionary.
        y: (n, d) rows of the other, in any order.

    Returns:
        Score in [0, 1].

    Raises:
        InputError: bad input, unequal widths, or a zero row.

    Source: Song et al. 2025 (arXiv 2505.20254), the pairwise dictionary mean correlation coefficient.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(pw_mcc(x, -x[::-1])), 6)
    1.0
    """
    return _prepare(x, y).observed()
