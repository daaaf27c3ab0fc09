"""Do features of equal index agree more than others? A sign of one start or one crosscoder behind both."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from congruence.rng import derive
from congruence.stats import full_correlation, of_features, prepare

DRAWS = 999
MOST, FEWEST = 512, 20
"""Features that are looked at: at random where more fire on both sides; none where fewer do."""


@dataclass(frozen=True, eq=False)
class EqualIndex:
    """How much features i and i agree, and i and another at random.

    Attributes:
        features: that fire on both sides and were looked at.
        r, cosine: mean Pearson r of activations, and mean cosine of decoder rows; NaN where none is known.
        null_r, null_cosine: the same of re-paired indices, on average over the draws.
        draws: (2, 999) re-paired means of r and of cosines.
    """

    features: int
    r: float
    cosine: float
    draws: Float[np.ndarray, "2 draws"] = field(repr=False)

    @property
    def null_r(self) -> float:
        return float(self.draws[0].mean())

    @property
    def null_cosine(self) -> float:
        return float(self.draws[1].mean())


def equal_index(
    acts_a: Any,
    acts_b: Any,
    rows_a: Float[np.ndarray, "f d_a"] | None = None,
    rows_b: Float[np.ndarray, "f d_b"] | None = None,
    *,
    seed: int = 0,
) -> EqualIndex | None:
    """Mean agreement of features of equal index, and of re-paired ones.

    Args:
        acts_a, acts_b: (n, f) activations of two feature sets of one size on the same tokens, as for
            `congruence.stats.correlate`.
        rows_a, rows_b: their decoder rows; cosines are taken where widths agree.
        seed: of the choice of features and of re-pairing.

    Returns:
        The agreement; None where sizes differ, or fewer than 20 features fire on both sides.

    Source: ours. That shared initialisation makes features agree by index: arXiv 2606.02061.
    """
    a, b = prepare(acts_a), prepare(acts_b)
    if a.shape[1] != b.shape[1]:
        return None
    rng = derive(seed, "equal_index")
    shared = np.intersect1d(a.varying, b.varying)
    if len(shared) < FEWEST:
        return None
    chosen = np.sort(rng.permutation(shared)[:MOST])
    tables = [full_correlation(of_features(a, chosen), of_features(b, chosen), engine="sparse")]
    if rows_a is not None and rows_b is not None and rows_a.shape[1] == rows_b.shape[1]:
        tables.append(_unit(rows_a[chosen]) @ _unit(rows_b[chosen]).T)
    orders = np.stack([rng.permutation(len(chosen)) for _ in range(DRAWS)])
    own = np.arange(len(chosen))
    means = np.full(2, np.nan)
    draws = np.full((2, DRAWS), np.nan)
    for number, table in enumerate(tables):
        means[number] = np.nanmean(table[own, own])
        draws[number] = np.nanmean(table[own, orders], axis=1)
    return EqualIndex(len(chosen), float(means[0]), float(means[1]), draws)


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)
