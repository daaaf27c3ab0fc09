"""`svcca` and `cca`: canonical correlations between the leading components of each side, or all of them."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import one_blas_thread, product
from congruence.metrics.inputs import paired, whole_number
from congruence.metrics.subspace import Components, both_components, kept, nuclear_draws
from congruence.options import SHARE, at_least
from congruence.records import Score

DEFAULT_VARIANCE = 0.99
PAIRS_PER_COMPONENT, MOST_COMPONENTS = 10, 100
"""What n_components="n/10" keeps."""


@dataclass(frozen=True)
class PreparedSubspaces:
    """Orthonormal bases of both sides: a draw is one k_a × n by n × k_b product and its singular values."""

    measure: str
    u: Float[np.ndarray, "n k_a"]
    v: Float[np.ndarray, "n k_b"]
    details: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    answerable: bool = True
    resolution: float = 1e-6

    @property
    def n(self) -> int:
        return len(self.u)

    def observed(self) -> Score:
        """Mean canonical correlation, with n, both ranks and the correlations themselves."""
        with one_blas_thread():
            singular = np.linalg.svd(product(self.u.T, self.v), compute_uv=False)
        correlations = np.clip(singular, 0.0, 1.0)
        details = {**self.details, "correlations": correlations.tolist()}
        return Score(self.measure, float(correlations.mean()), self.n, details, self.warnings)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """Mean canonical correlation of each draw."""
        smaller = min(self.u.shape[1], self.v.shape[1])
        return np.minimum(nuclear_draws(self.u, self.v, permutations) / smaller, 1.0)


def forced_components(dimensions: int, k_a: int, k_b: int) -> int:
    """How many canonical correlations are 1 whatever the data: k_a + k_b directions must meet in so few."""
    return int(np.clip(k_a + k_b - dimensions, 0, min(k_a, k_b)))


class Size(NamedTuple):
    """What n and the ranks decide by themselves."""

    details: dict[str, Any]
    warnings: tuple[str, ...] = ()
    answerable: bool = True


def check_size(measure: str, n: int, k_a: int, k_b: int, on_forced: str, *, center: bool = True) -> Size:
    """What n and the ranks decide by themselves: below 2(k_a + k_b) pairs draws can tell next to nothing.

    Raises:
        InputError: they decide everything, unless `on_forced` is "warn".
    """
    dimensions = n - 1 if center else n
    forced = forced_components(dimensions, k_a, k_b)
    enough = 2 * (k_a + k_b)
    details = {"n": n, "k_a": k_a, "k_b": k_b, "forced": forced, "answerable": n >= enough}
    if forced == min(k_a, k_b):
        reason = (
            f"{measure} is 1.000 whatever the data: n={n} pairs span {dimensions} dimensions and the sides "
            f"fill k_a={k_a} and k_b={k_b} of them; lower n_components or variance, or use rsa, "
            f"linear_cka or procrustes"
        )
        if on_forced == "raise":
            raise InputError(f"{reason} (on_forced='warn' returns the 1.000)")
        return Size(details, (reason,), answerable=False)
    if n >= enough:
        return Size(details)
    part = f", and {forced} of {min(k_a, k_b)} correlations are 1 by counting alone" if forced else ""
    warning = f"n={n} is below 2(k_a + k_b) = {enough}: unrelated data score high too{part}"
    return Size(details, (warning,), answerable=False)


@metric
class Svcca(Measure):
    """Mean canonical correlation between the leading principal components of both sides.

    mean of the min(k_a, k_b) singular values of U_aᵀU_b, where U holds the unit scores of the k
    components that carry `variance` of a side. 1 = the kept subspaces coincide.

    Invariant to shifts, isotropic scale and rotations of each side. Meaningless where n is below about
    2(k_a + k_b): unrelated sides then score high (flagged), and 1.000 exactly once a side fills all
    n − 1 dimensions (refused).

    Returns:
        Score in [0, 1]; details: n, k_a, k_b, variance kept, ranks, correlations forced to 1, and whether
        n is enough for draws to tell anything (answerable).

    Raises:
        InputError: bad input, both or impossible options, or a forced answer.

    Source: Raghu et al. 2017 (arXiv 1706.05806), section 2.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> round(float(svcca(x, 2 * x + 1)), 6)
    1.0
    """

    name = "svcca"
    title = "SVCCA"
    range = (0.0, 1.0)
    laws = Laws()
    reading = (
        "Both decoder matrices are reduced to the components that hold most of the variance; the score is "
        "the mean canonical correlation between the two."
    )
    beware = (
        "With few pairs it says 1 whatever the data: believe it only where the pairs outnumber the kept "
        "components of both sides at least twice. It is not the published “SVCCA”, which is pc1_correlation."
    )
    says = "the mean canonical correlation is {score}"

    shares_rows: ClassVar[bool] = True

    variance: Annotated[float, SHARE] | None = None
    """Share of variance to keep on each side (0.99 unless `n_components` is given)."""
    n_components: Annotated[int, at_least(1)] | Literal["n/10"] | None = None
    """Keep exactly this many on both sides instead; "n/10" keeps one for every ten pairs, at least 1, at
    most 100 and no more than the smaller rank."""
    center: bool = True
    """Subtract column means first."""
    unit_rows: bool = False
    """Divide every row by its norm before that."""
    on_forced: Literal["raise", "warn"] = "raise"
    """"raise" where the answer is 1 whatever the data, or "warn" to get the 1.000."""

    def check(self) -> None:
        """One way of choosing components at a time."""
        if self.variance is not None and self.n_components is not None:
            raise InputError(
                f"variance={self.variance} and n_components={self.n_components}: give one of the two"
            )

    def check_reach(self, most_pairs: int, width_a: int, width_b: int) -> None:
        """Refuse more components than either side can have."""
        super().check_reach(most_pairs, width_a, width_b)
        if isinstance(self.n_components, int):
            rank = min(most_pairs - self.center, width_a, width_b)
            whole_number("n_components", self.n_components, low=1, high=rank, remedy="the smaller rank")

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedSubspaces:
        """The leading components of both sides."""
        pair = paired(x, y, unit_rows=self.unit_rows)
        most = self._most(pair.n)
        a, b = both_components(pair, center=self.center, most=most, given=(x, y))
        k_a, k_b = self._kept(a.s, b.s, most)
        size = check_size(self.name, pair.n, k_a, k_b, self.on_forced, center=self.center)
        details = size.details | {"variance_a": _share(a, k_a), "variance_b": _share(b, k_b)}
        details |= {f"rank_{side}": c.rank for side, c in (("a", a), ("b", b)) if c.rank is not None}
        return PreparedSubspaces(
            self.name, a.u[:, :k_a], b.u[:, :k_b], details, size.warnings, size.answerable
        )

    def _most(self, n: int) -> int | None:
        """How many components are asked for; None where the variance decides."""
        if self.n_components == "n/10":
            return min(max(n // PAIRS_PER_COMPONENT, 1), MOST_COMPONENTS)
        return self.n_components

    def _kept(
        self, s_a: Float[np.ndarray, " r"], s_b: Float[np.ndarray, " q"], most: int | None
    ) -> tuple[int, int]:
        """Components to keep of each side."""
        if most is None:
            variance = DEFAULT_VARIANCE if self.variance is None else self.variance
            return kept(s_a, variance), kept(s_b, variance)
        rank = min(len(s_a), len(s_b))
        if self.n_components == "n/10":
            return min(most, rank), min(most, rank)
        k = whole_number("n_components", most, low=1, high=rank, remedy="the smaller rank")
        return k, k


def _share(found: Components, k: int) -> float:
    return float((found.s[:k] ** 2).sum() / found.total)


@metric
class Cca(Measure):
    """Mean canonical correlation between the whole column spaces of both sides.

    mean of the min(r_a, r_b) singular values of U_aᵀU_b, U an orthonormal basis of a centred side's
    columns and r its rank: `svcca` with all of the variance.

    Invariant to any invertible linear map and shift of each side. It counts a direction of next to no
    variance as much as the first one, and needs n well above 2(r_a + r_b): flagged below, refused where
    the answer is 1 whatever the data.

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

    name = "cca"
    title = "CCA"
    range = (0.0, 1.0)
    laws = Laws(linear=True)
    reading = "Mean canonical correlation of the two decoder matrices without reduction."
    beware = "Forced towards 1 unless the pairs far outnumber the dimensions of both sides."
    says = "the mean canonical correlation is {score}"

    on_forced: Literal["raise", "warn"] = "raise"
    """"raise" where the answer is 1 whatever the data, or "warn" to get the 1.000."""

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedSubspaces:
        """Bases of both sides."""
        pair = paired(x, y)
        a, b = both_components(pair)
        size = check_size(self.name, pair.n, len(a.s), len(b.s), self.on_forced)
        return PreparedSubspaces(self.name, a.u, b.u, size.details, size.warnings, size.answerable)


svcca = Svcca.function
cca = Cca.function
