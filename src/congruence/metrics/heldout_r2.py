"""`heldout_r2`: how much of held-out y a ridge map of x, fitted on the other half, explains."""

import math
from typing import Annotated

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import linalg

from congruence.errors import InputError
from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.blas import one_blas_thread, product
from congruence.metrics.inputs import Pair, paired
from congruence.metrics.splits import HeldOutTable, PreparedHeldOut, Split, halves, table_bytes
from congruence.options import REPEATS, SEED

PENALTIES = np.logspace(-6, 3, 19)


def _fit(pair: Pair, split: Split) -> tuple[HeldOutTable, float]:
    """R² of the held-out half as a sum over pairs: 1 − (‖ŷ‖² + ‖y‖² − 2 Σ ŷ_i·y_i) / ‖y − ȳ‖²."""
    mean_x, mean_y = pair.x[split.fit].mean(axis=0), pair.y[split.fit].mean(axis=0)
    x, y = pair.x - mean_x, pair.y - mean_y
    u, s, vt = linalg.svd(x[split.fit], full_matrices=False, check_finite=False)
    if s[0] == 0:
        raise InputError("the half of x to fit on has rank 0: pass rows that differ more, or another seed")
    target = u.T @ y[split.fit]
    penalty = _best_penalty(u, s, target, y[split.fit])
    predicted = (x[split.held] @ vt.T) @ ((s / (s**2 + penalty * s[0] ** 2))[:, None] * target)
    actual = y[split.held]
    total = float(((actual - actual.mean(axis=0)) ** 2).sum())
    if total == 0:
        raise InputError(
            "the half of y to score on has zero variance: pass rows that differ more, or another seed"
        )
    offset = 1 - float((predicted**2).sum() + (actual**2).sum()) / total
    return HeldOutTable(split, 2 * product(predicted, actual.T) / total, offset), penalty


def _best_penalty(
    u: Float[np.ndarray, "f r"],
    s: Float[np.ndarray, " r"],
    target: Float[np.ndarray, "r d"],
    y: Float[np.ndarray, "f d"],
) -> float:
    """The penalty, in units of the largest squared singular value, with the least leave-one-out error."""
    errors = []
    for penalty in PENALTIES:
        shrink = s**2 / (s**2 + penalty * s[0] ** 2)
        leverage = (u**2) @ shrink + 1 / len(u)
        residual = (y - u @ (shrink[:, None] * target)) / np.maximum(1 - leverage, 1e-9)[:, None]
        errors.append(float((residual**2).sum()))
    return float(PENALTIES[int(np.argmin(errors))])


@metric
class HeldoutR2(Measure):
    """Share of the variance of held-out y that a ridge map of x, fitted on the other half, explains.

    1 − ‖Y_h − Ŷ_h‖² / ‖Y_h − mean(Y_h)‖², Ŷ from ridge regression on the fit half, its penalty the one of
    19 with the least leave-one-out error there. Negative where the map does worse than the mean.

    Invariant to shifts, isotropic scale and rotations of each side; not symmetric. Dominated by the
    leading components of y. A re-pairing null re-pairs the held-out half alone; exact for one split.

    Returns:
        Score of at most 1; details: held-out pairs, penalty of each split (over the largest squared
        singular value).

    Raises:
        InputError: bad input, or fewer than 6 pairs.

    Source: ours; leave-one-out for ridge: Golub, Heath and Wahba 1979.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 8))
    >>> round(float(heldout_r2(x, 2 * x + 1)), 4)
    1.0
    """

    name = "heldout_r2"
    title = "Held-out R²"
    range = (-math.inf, 1.0)
    laws = Laws(symmetric=False, row_order=False, self_is_one=False)
    reading = "Variance of one side's held-out rows that a ridge map from the other explains."
    beware = "Negative where the map does worse than the mean."
    says = "a linear map explains {percent} of the variance of held-out features"
    sides = (
        "(n, d_a) rows of side A, which predict.",
        "(n, d_b) rows of side B, which are predicted.",
    )

    splits: Annotated[int, REPEATS] = 1
    """Random halvings to average over."""
    seed: Annotated[int, SEED] = 0
    """What the halvings derive from."""

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """A table of held-out products for each split."""
        return super().memory(n, d_a, d_b) + table_bytes(n, self.splits)

    @one_blas_thread()
    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedHeldOut:
        """The ridge map of every split, and a table of its held-out products."""
        pair = paired(x, y)
        parts = halves(pair.n, self.splits, self.seed)
        fits = [_fit(pair, split) for split in parts]
        details = {"held_out": len(parts[0].held), "penalty": [penalty for _, penalty in fits]}
        return PreparedHeldOut(self.name, pair.n, [table for table, _ in fits], details)


heldout_r2 = HeldoutR2.function
