"""`pwcca`: canonical correlations weighted by how much of x each canonical variate accounts for."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.aligned import aligned
from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import one_blas_thread, product
from congruence.metrics.inputs import paired
from congruence.metrics.kernels import over_draws
from congruence.metrics.subspace import both_components, centred
from congruence.metrics.svcca import check_size
from congruence.records import Score


@dataclass(frozen=True)
class PreparedPwcca:
    """Orthonormal bases of both sides, and x in its own: a draw is a product and a small decomposition."""

    u: Float[np.ndarray, "n k_a"]
    v: Float[np.ndarray, "n k_b"]
    columns: Float[np.ndarray, "k_a d_a"]
    details: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    answerable: bool = True
    resolution: float = 1e-9

    @property
    def n(self) -> int:
        return len(self.u)

    def observed(self) -> Score:
        """The weighted mean, with both ranks."""
        value = float(self.repaired(np.arange(self.n)[None, :])[0])
        return Score("pwcca", value, self.n, self.details, self.warnings)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The weighted mean of each draw."""
        with one_blas_thread():
            return over_draws(lambda block: np.array([self._score(p) for p in block]), permutations, self.n)

    def _score(self, order: Int[np.ndarray, " n"]) -> float:
        moved = np.take(self.v, order, axis=0, out=aligned(self.v.shape))
        p, correlations, _ = np.linalg.svd(self.u.T @ moved, full_matrices=False)
        weights = np.abs(p.T @ self.columns).sum(axis=1)
        return float(np.minimum(correlations, 1.0) @ weights / weights.sum())


@metric
class Pwcca(Measure):
    """Projection-weighted mean of canonical correlations, weighted by their share of x.

    Σ_i α_i ρ_i / Σ_i α_i, α_i = Σ_j |h_i · x_j|: ρ_i the canonical correlations, h_i the canonical
    variates of x, x_j its centred columns.

    Invariant to shifts and isotropic scale of each side and to any invertible linear map of y, not to
    rotations of x, whose columns carry the weights; x and y may not be swapped. Needs n well above
    2(r_a + r_b), as `cca`.

    Returns:
        Score in [0, 1]; details: n, both ranks (k_a, k_b), correlations forced to 1.

    Raises:
        InputError: bad input, or a forced answer.

    Source: Morcos, Raghu and Bengio 2018 (arXiv 1806.05759), section 3.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> round(float(pwcca(x, 2 * x + 1)), 6)
    1.0
    """

    name = "pwcca"
    title = "Projection-weighted CCA"
    range = (0.0, 1.0)
    laws = Laws(symmetric=False, orthogonal=False)
    reading = "Canonical correlations, weighted by how much of the first side each direction explains."
    beware = "Not symmetric, and inflated with few pairs like CCA."
    says = "the weighted canonical correlation is {score}"
    sides = (
        "(n, d_a) rows of side A, whose columns give the weights.",
        "(n, d_b) rows of side B, row i paired with row i of x.",
    )

    on_forced: Literal["raise", "warn"] = "raise"
    """"raise" where the answer is 1 whatever the data, or "warn" to get the 1.000."""

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedPwcca:
        """Bases of both sides, and x in its own."""
        pair = paired(x, y)
        a, b = both_components(pair)
        size = check_size(self.name, pair.n, len(a.s), len(b.s), self.on_forced)
        warnings = size.warnings
        if size.details["forced"] > 1:
            warnings += (f"{size.details['forced']} correlations tie at 1, so their weights aren't unique",)
        columns = product(a.u.T, centred(pair.x))
        return PreparedPwcca(a.u, b.u, columns, size.details, warnings, size.answerable)


pwcca = Pwcca.function
