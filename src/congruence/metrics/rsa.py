"""`rsa`: do the same pairs of rows lie near each other in both spaces?"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from scipy.stats import kendalltau

from congruence.errors import InputError
from congruence.metrics.inputs import choice, paired
from congruence.metrics.kernels import over_draws, triangle_draws
from congruence.metrics.ranks import EXACT_SINGLE, centred_ranks
from congruence.metrics.rdm import KINDS, condensed, square
from congruence.metrics.registry import Laws, Prepared, metric
from congruence.records import Score

COMPARE = ("spearman", "pearson", "kendall")


@dataclass(frozen=True)
class PreparedRsa:
    """Both triangles centred (ranked before, for Spearman): a draw is a gather and a dot product."""

    triangle: Shaped[np.ndarray, " pairs"]
    square: Shaped[np.ndarray, "n n"]
    norm: float
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.square)

    def observed(self) -> Score:
        """Correlation of the two triangles."""
        value = float(self.repaired(np.arange(self.n)[None, :])[0])
        return Score("rsa", value, self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same with rows and columns of B's triangle permuted together."""
        return np.clip(triangle_draws(self.triangle, self.square, permutations) / self.norm, -1.0, 1.0)


@dataclass(frozen=True)
class PreparedKendall:
    """Kendall's tau-b counts inversions anew for each draw: O(pairs · log pairs), for small n."""

    triangle: Float[np.ndarray, " pairs"]
    square: Float[np.ndarray, "n n"]
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.square)

    def observed(self) -> Score:
        """Tau-b of the two triangles."""
        return Score("rsa", float(self._tau(np.arange(self.n))), self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """Tau-b of each draw."""
        return over_draws(lambda block: np.array([self._tau(p) for p in block]), permutations, self.n)

    def _tau(self, order: Int[np.ndarray, " n"]) -> float:
        upper = np.triu_indices(self.n, 1)
        tau = kendalltau(self.triangle, self.square[order[upper[0]], order[upper[1]]])
        return float(np.asarray(tau)[0])


def _prepare(
    x: ArrayLike,
    y: ArrayLike,
    *,
    rdm: str = "correlation",
    compare: str = "spearman",
    unit_rows: bool = False,
) -> Prepared:
    choice("rdm", rdm, KINDS)
    choice("compare", compare, COMPARE)
    pair = paired(x, y, unit_rows=unit_rows)
    details = {
        "rdm": rdm,
        "compare": compare,
        "unit_rows": unit_rows,
        "row_pairs": pair.n * (pair.n - 1) // 2,
    }
    if compare == "kendall":
        a, b = _triangle(pair.x, rdm, "x"), _triangle(pair.y, rdm, "y")
        return PreparedKendall(a, square(b, pair.n), details)
    centre = centred_ranks if compare == "spearman" else _centred_values
    a = centre(_triangle(pair.x, rdm, "x"))
    b = centre(_triangle(pair.y, rdm, "y"))
    return PreparedRsa(a, square(b, pair.n), _norm(a) * _norm(b), details)


def _triangle(x: Float[np.ndarray, "n d"], rdm: str, name: str) -> Float[np.ndarray, " pairs"]:
    triangle = condensed(x, rdm, name)
    if np.ptp(triangle) <= 1e-12 * np.abs(triangle).max():
        raise InputError(
            f"all rows of {name} are equally far apart (rdm={rdm!r}), so there is nothing to compare: use "
            f"more rows or another rdm"
        )
    return triangle


def _centred_values(values: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """Values minus their mean; in float32 where ranks would take four bytes too."""
    values = values - values.mean()
    return values if len(values) < EXACT_SINGLE else values.astype(np.float32)


def _norm(values: Shaped[np.ndarray, " pairs"]) -> float:
    parts = np.array_split(values, 1 + len(values) // EXACT_SINGLE)
    return float(np.sqrt(sum((part.astype(np.float64) ** 2).sum() for part in parts)))


@metric(prepare=_prepare, laws=Laws(translation=False, orthogonal=False), range=(-1.0, 1.0))
def rsa(
    x: ArrayLike,
    y: ArrayLike,
    *,
    rdm: str = "correlation",
    compare: str = "spearman",
    unit_rows: bool = False,
) -> Score:
    """Correlation, over all pairs of rows, of their distances in x with their distances in y.

    ρ(D_a[i<j], D_b[i<j]), D the distances between rows of one side. The default (1 − Pearson r of
    rows, Spearman) is what Lan et al. computed; their text says Euclidean.

    Invariant to isotropic scale; to rotations with "euclidean" and "cosine" ("correlation" centres each
    row over its columns, so a rotation changes it slightly); to shifts with "euclidean" alone. Entries
    of a triangle depend on each other: only a re-pairing null gives a p-value. With n rows there are
    n(n−1)/2 distances, so it keeps power at small n and needs 8 n² bytes at large n.

    Args:
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        rdm: distance between rows: "correlation", "euclidean" or "cosine".
        compare: "spearman", "pearson" or "kendall" (tau-b, slow: for small n).
        unit_rows: divide every row by its norm first, which only "euclidean" can tell.

    Returns:
        Score in [-1, 1]; details: rdm, compare, number of row pairs.

    Raises:
        InputError: bad input, an unknown option, a row without direction, or equal distances.

    Source: Kriegeskorte et al. 2008; Lan et al. 2024 (arXiv 2410.06981), section 3.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(rsa(x, 2 * x)), 6)
    1.0
    """
    return _prepare(x, y, rdm=rdm, compare=compare, unit_rows=unit_rows).observed()
