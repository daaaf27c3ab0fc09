"""`pw_mcc`: how far two dictionaries agree once each row has its best partner."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import product
from congruence.metrics.inputs import paired, same_width, to_unit_rows
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


@metric
class PwMcc(Measure):
    """Mean absolute cosine of the rows of two dictionaries under the best one-to-one matching.

    max over permutations π of (1/n) Σ_i |x_i·y_π(i)| / ‖x_i‖‖y_π(i)‖. Only where both spaces are one
    model's (two SAEs of one layer).

    Invariant to the scale and sign of each row and to the order of rows on either side; so re-pairing is
    no null for it: use one that draws other rows (`subset`) or other dictionaries.

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

    name = "pw_mcc"
    title = "Dictionary agreement (PW-MCC)"
    range = (0.0, 1.0)
    laws = Laws(translation=False, orthogonal=False, pairing=False, same_width=True)
    reading = (
        "The directions of the two dictionaries are matched one to one so that they agree best; the score is "
        "the mean |cosine| of matched directions."
    )
    beware = (
        "Means something only where both sides read the same model's space. It makes its own pairing, so the "
        "run's pairs don't matter to it and shuffling them is no test."
    )
    says = "best matched directions have a mean |cosine| of {score}"
    sides = ("(n, d) rows of one dictionary.", "(n, d) rows of the other, in any order.")

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """All cosines, and what the assignment makes of them."""
        return super().memory(n, d_a, d_b) + 24 * n * n

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedMatchedCosine:
        """The best matching of the rows of both sides."""
        from scipy.optimize import linear_sum_assignment  # slow to import

        pair = same_width(paired(x, y), self.name)
        cosines = np.abs(product(to_unit_rows(pair.x, "x"), to_unit_rows(pair.y, "y").T))
        rows, columns = linear_sum_assignment(cosines, maximize=True)
        return PreparedMatchedCosine(min(float(cosines[rows, columns].mean()), 1.0), pair.n)


pw_mcc = PwMcc.function
