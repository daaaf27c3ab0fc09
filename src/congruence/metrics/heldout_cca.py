"""`heldout_cca`: canonical directions fitted on half of the pairs, correlated on the other half."""

from typing import Annotated

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import linalg

from congruence.errors import InputError
from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import one_blas_thread, product
from congruence.metrics.inputs import Pair, paired, whole_number
from congruence.metrics.splits import HeldOutTable, PreparedHeldOut, Split, halves, table_bytes
from congruence.metrics.subspace import kept
from congruence.metrics.svcca import DEFAULT_VARIANCE
from congruence.options import REPEATS, SEED, SHARE, at_least

PAIRS_PER_COMPONENT = 5


def _fit(
    pair: Pair, split: Split, limit: int, variance: float
) -> tuple[Float[np.ndarray, "h c"], Float[np.ndarray, "h c"]]:
    """Held-out canonical variates of both sides, each column centred and of unit norm."""
    fit_a, held_a = _whitened(pair.x, split, limit, variance, "x")
    fit_b, held_b = _whitened(pair.y, split, limit, variance, "y")
    p, _, qt = linalg.svd(fit_a.T @ fit_b, full_matrices=False, check_finite=False)
    return _standard(held_a @ p), _standard(held_b @ qt.T)


def _whitened(
    x: Float[np.ndarray, "n d"], split: Split, limit: int, variance: float, name: str
) -> tuple[Float[np.ndarray, "f k"], Float[np.ndarray, "h k"]]:
    """Leading principal-component scores of both halves, by the fit half's mean, axes and scale."""
    mean = x[split.fit].mean(axis=0)
    _, s, vt = linalg.svd(x[split.fit] - mean, full_matrices=False, check_finite=False)
    rank = int((s > s[0] * 1e-10).sum()) if s[0] > 0 else 0
    if rank == 0:
        raise InputError(
            f"the half of {name} to fit on has rank 0: pass rows that differ more, or another seed"
        )
    k = min(kept(s[:rank], variance), limit)
    axes = vt[:k].T / s[:k]
    return (x[split.fit] - mean) @ axes, (x[split.held] - mean) @ axes


def _standard(scores: Float[np.ndarray, "h c"]) -> Float[np.ndarray, "h c"]:
    scores = scores - scores.mean(axis=0)
    norms = np.linalg.norm(scores, axis=0)
    return scores / np.where(norms > 0, norms, np.inf)


@metric
class HeldoutCca(Measure):
    """Mean correlation, on held-out pairs, of the canonical variates fitted on the other half.

    (1/c) Σ_k r(X_h a_k, Y_h b_k): a_k, b_k the canonical directions between the leading principal
    components of the fit half, r over the held-out half. 0 by chance at any n and d, unlike `svcca`.

    Invariant to shifts, isotropic scale and rotations of each side. Keeps one component for every five
    pairs it is fitted on, so at small n it sees only the leading directions. A re-pairing null re-pairs
    the held-out half alone; exact for one split, since several splits share pairs (`docs/nulls.md`).

    Returns:
        Score in [-1, 1]; details: held-out pairs, canonical pairs averaged.

    Raises:
        InputError: bad input, fewer than 6 pairs, or an impossible option.

    Source: ours, after Bilenko and Gallant 2016 (Pyrcca: held-out canonical correlations).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 8))
    >>> round(float(heldout_cca(x, 2 * x + 1)), 6)
    1.0
    """

    name = "heldout_cca"
    title = "Held-out CCA"
    range = (-1.0, 1.0)
    laws = Laws(row_order=False)
    reading = "Canonical directions fitted on half of the pairs, correlated on the other half."
    beware = "Noisy where the pairs are few."
    says = "held-out canonical correlations average {score}"

    n_components: Annotated[int, at_least(1)] | None = None
    """Principal components to keep on each side of the fit half, as many as there are."""
    variance: Annotated[float, SHARE] = DEFAULT_VARIANCE
    """Or the share of variance to keep, up to one component for five fitted pairs."""
    splits: Annotated[int, REPEATS] = 1
    """Random halvings to average over."""
    seed: Annotated[int, SEED] = 0
    """What the halvings derive from."""

    def check_reach(self, most_pairs: int, width_a: int, width_b: int) -> None:
        """Refuse more components than half of the pairs have."""
        super().check_reach(most_pairs, width_a, width_b)
        if self.n_components is not None:
            whole_number("n_components", self.n_components, low=1, high=max(most_pairs // 2 - 1, 1))

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """A table of held-out products for each split."""
        return super().memory(n, d_a, d_b) + table_bytes(n, self.splits)

    @one_blas_thread()
    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedHeldOut:
        """The canonical directions of every split, and a table of its held-out products."""
        pair = paired(x, y)
        parts = halves(pair.n, self.splits, self.seed)
        limit, variance = max(1, len(parts[0].fit) // PAIRS_PER_COMPONENT), self.variance
        if self.n_components is not None:
            limit = whole_number("n_components", self.n_components, low=1, high=len(parts[0].fit) - 1)
            variance = 1.0
        fits = [_fit(pair, split, limit, variance) for split in parts]
        tables = [
            HeldOutTable(split, product(u, v.T) / u.shape[1])
            for split, (u, v) in zip(parts, fits, strict=True)
        ]
        details = {"held_out": len(parts[0].held), "components": min(u.shape[1] for u, _ in fits)}
        return PreparedHeldOut(self.name, pair.n, tables, details)


heldout_cca = HeldoutCca.function
