"""`cca`: mean canonical correlation between all of both sides."""

from numpy.typing import ArrayLike

from congruence.metrics.inputs import paired
from congruence.metrics.registry import Laws, metric
from congruence.metrics.subspace import components
from congruence.metrics.svcca import PreparedSubspaces, check_size
from congruence.records import Score


def _prepare(x: ArrayLike, y: ArrayLike, *, on_forced: str = "raise") -> PreparedSubspaces:
    pair = paired(x, y)
    a, b = components(pair.x, "x"), components(pair.y, "y")
    details, warnings = check_size("cca", pair.n, len(a.s), len(b.s), on_forced)
    return PreparedSubspaces("cca", a.u, b.u, details, warnings)


@metric(prepare=_prepare, laws=Laws(linear=True), range=(0.0, 1.0))
def cca(x: ArrayLike, y: ArrayLike, *, on_forced: str = "raise") -> Score:
    """Mean canonical correlation between the whole column spaces of both sides.

    mean of the min(r_a, r_b) singular values of U_aᵀU_b, U an orthonormal basis of a centred side's
    columns and r its rank: `svcca` with all of the variance.

    Invariant to any invertible linear map and shift of each side. It counts a direction of next to no
    variance as much as the first one, and needs n well above 2(r_a + r_b): flagged below, refused where
    the answer is 1 whatever the data.

    Args:
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        on_forced: "raise" where the answer is 1 whatever the data, or "warn" to get the 1.000.

    Returns:
        Score in [0, 1]; details: n, both ranks (k_a, k_b), correlations forced to 1.

    Raises:
        InputError: bad input, or a forced answer.

    Source: Hotelling 1936; as a similarity of representations: Raghu et al. 2017 (arXiv 1706.05806).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(float(cca(x, x @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 5.0], [0.0, 0.0, 3.0]]))), 6)
    1.0
    """
    return _prepare(x, y, on_forced=on_forced).observed()
