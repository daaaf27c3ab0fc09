"""`svcca`: canonical correlations between the leading principal components of each side."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.inputs import choice, paired, whole_number
from congruence.metrics.registry import Laws, metric
from congruence.metrics.subspace import components, kept, nuclear_draws
from congruence.records import Score

DEFAULT_VARIANCE = 0.99


@dataclass(frozen=True)
class PreparedSubspaces:
    """Orthonormal bases of both sides: a draw is one k_a × n by n × k_b product and its singular values."""

    measure: str
    u: Float[np.ndarray, "n k_a"]
    v: Float[np.ndarray, "n k_b"]
    details: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    resolution: float = 1e-6

    @property
    def n(self) -> int:
        return len(self.u)

    def observed(self) -> Score:
        """Mean canonical correlation, with n, both ranks and the correlations themselves."""
        correlations = np.clip(np.linalg.svd(self.u.T @ self.v, compute_uv=False), 0.0, 1.0)
        details = {**self.details, "correlations": correlations.tolist()}
        return Score(self.measure, float(correlations.mean()), self.n, details, self.warnings)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """Mean canonical correlation of each draw."""
        smaller = min(self.u.shape[1], self.v.shape[1])
        return np.minimum(nuclear_draws(self.u, self.v, permutations) / smaller, 1.0)


def forced_components(dimensions: int, k_a: int, k_b: int) -> int:
    """How many canonical correlations are 1 whatever the data: k_a + k_b directions must meet in so few."""
    return int(np.clip(k_a + k_b - dimensions, 0, min(k_a, k_b)))


def check_size(
    measure: str, n: int, k_a: int, k_b: int, on_forced: str, *, center: bool = True
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What n and the ranks decide by themselves, as details and warnings.

    Raises:
        InputError: they decide everything, unless `on_forced` is "warn".
    """
    choice("on_forced", on_forced, ("raise", "warn"))
    dimensions = n - 1 if center else n
    forced = forced_components(dimensions, k_a, k_b)
    details = {"n": n, "k_a": k_a, "k_b": k_b, "forced": forced}
    enough = 2 * (k_a + k_b)
    if forced == min(k_a, k_b):
        reason = (
            f"{measure} is 1.000 whatever the data: n={n} pairs span {dimensions} dimensions and the sides "
            f"fill k_a={k_a} and k_b={k_b} of them; lower n_components or variance, or use rsa, "
            f"linear_cka or procrustes"
        )
        if on_forced == "raise":
            raise InputError(f"{reason} (on_forced='warn' returns the 1.000)")
        return details, (reason,)
    if n >= enough:
        return details, ()
    part = f", and {forced} of {min(k_a, k_b)} correlations are 1 by counting alone" if forced else ""
    return details, (f"n={n} is below 2(k_a + k_b) = {enough}: unrelated data score high too{part}",)


def _prepare(
    x: ArrayLike,
    y: ArrayLike,
    *,
    variance: float | None = None,
    n_components: int | None = None,
    center: bool = True,
    unit_rows: bool = False,
    on_forced: str = "raise",
) -> PreparedSubspaces:
    if variance is not None and n_components is not None:
        raise InputError(f"variance={variance} and n_components={n_components}: give one of the two")
    wanted = check_variance(DEFAULT_VARIANCE if variance is None else variance)
    pair = paired(x, y, unit_rows=unit_rows)
    a, b = (components(side, name, center=center) for side, name in zip(pair, "xy", strict=True))
    if n_components is None:
        k_a, k_b = kept(a.s, wanted), kept(b.s, wanted)
    else:
        rank = min(len(a.s), len(b.s))
        k_a = k_b = whole_number("n_components", n_components, low=1, high=rank, remedy="the smaller rank")
    details, warnings = check_size("svcca", pair.n, k_a, k_b, on_forced, center=center)
    details |= {"variance_a": _share(a.s, k_a), "variance_b": _share(b.s, k_b)}
    details |= {"rank_a": len(a.s), "rank_b": len(b.s)}
    return PreparedSubspaces("svcca", a.u[:, :k_a], b.u[:, :k_b], details, warnings)


def _share(s: Float[np.ndarray, " r"], k: int) -> float:
    return float((s[:k] ** 2).sum() / (s**2).sum())


def check_variance(variance: float) -> float:
    """`variance` as a share in (0, 1]."""
    if not isinstance(variance, int | float | np.number) or not 0 < variance <= 1:
        raise InputError(f"variance={variance!r}: use a share above 0 and up to 1, such as 0.99")
    return float(variance)


@metric(prepare=_prepare, laws=Laws(), range=(0.0, 1.0))
def svcca(
    x: ArrayLike,
    y: ArrayLike,
    *,
    variance: float | None = None,
    n_components: int | None = None,
    center: bool = True,
    unit_rows: bool = False,
    on_forced: str = "raise",
) -> Score:
    """Mean canonical correlation between the leading principal components of both sides.

    mean of the min(k_a, k_b) singular values of U_aᵀU_b, where U holds the unit scores of the k
    components that carry `variance` of a side. 1 = the kept subspaces coincide.

    Invariant to shifts, isotropic scale and rotations of each side. Meaningless where n is below about
    2(k_a + k_b): unrelated sides then score high (flagged), and 1.000 exactly once a side fills all
    n − 1 dimensions (refused).

    Args:
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        variance: share of variance to keep on each side (0.99 unless `n_components` is given).
        n_components: keep exactly this many on both sides instead.
        center: subtract column means first.
        unit_rows: divide every row by its norm before that.
        on_forced: "raise" where the answer is 1 whatever the data, or "warn" to get the 1.000.

    Returns:
        Score in [0, 1]; details: n, k_a, k_b, variance kept, ranks, correlations forced to 1.

    Raises:
        InputError: bad input, both or impossible options, or a forced answer.

    Source: Raghu et al. 2017 (arXiv 1706.05806), section 2.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> round(float(svcca(x, 2 * x + 1)), 6)
    1.0
    """
    return _prepare(
        x,
        y,
        variance=variance,
        n_components=n_components,
        center=center,
        unit_rows=unit_rows,
        on_forced=on_forced,
    ).observed()
