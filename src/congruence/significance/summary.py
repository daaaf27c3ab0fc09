"""From an observed score and null scores to p, z and the chance-corrected score."""

import numpy as np
from jaxtyping import Bool, Float

from congruence.errors import InputError
from congruence.records import Alternative, NullTest, Score
from congruence.significance.quantiles import quantiles

LEVELS = (0.05, 0.5, 0.95)
ALTERNATIVES = ("greater", "less", "two-sided")


def summarise(
    observed: Score,
    scores: Float[np.ndarray, " m"],
    *,
    measure: str,
    null: str,
    alternative: Alternative = "greater",
    seed: int | None = None,
    resolution: float = 0.0,
    p: float | None = None,
    compared: float | None = None,
    plus_one: bool = True,
) -> NullTest:
    """The record of one test.

    Args:
        observed: the score of the real pairs.
        scores: (m,) null scores; NaN where a draw gave none, which counts against the claim.
        measure, null: names.
        alternative: which scores are extreme.
        seed: what the draws derive from.
        resolution: relative difference below which two scores are a tie.
        p: a p-value found by other means (early stopping).
        compared: the observed score by the arithmetic of the draws, where that isn't `observed` itself.
        plus_one: as for :func:`p_value`.

    Raises:
        InputError: no draw gave a score.
    """
    value = float(observed)
    known = scores[np.isfinite(scores)]
    if not len(known):
        raise InputError(f"none of {len(scores)} draws of {null!r} gave a score of {measure}: use more pairs")
    like = value if compared is None else compared
    tie = resolution * max(abs(like), float(np.abs(known).max()))
    mean, spread = float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else 0.0
    return NullTest(
        measure=measure,
        null=null,
        observed=value,
        scores=scores,
        null_mean=mean,
        null_std=spread,
        quantiles=dict(zip(LEVELS, quantiles(known, LEVELS), strict=True)),
        z=(like - mean) / spread if spread > tie else float("nan"),
        p=p_value(like, scores, alternative=alternative, tie=tie, plus_one=plus_one) if p is None else p,
        corrected=corrected(value, mean),
        alternative=alternative,
        seed=seed,
        score=observed,
    )


def p_value(
    observed: float,
    scores: Float[np.ndarray, " m"],
    *,
    alternative: Alternative = "greater",
    tie: float = 0.0,
    plus_one: bool = True,
) -> float:
    """(1 + #{null at least as extreme}) / (1 + m); two-sided: twice the smaller side, at most 1.

    A score that is NaN counts as extreme on either side. Without `plus_one` it is #{…} / m, as in
    Lan et al. 2024: 0 where no draw reaches the score, which no number of draws can show.

    Source: Phipson and Smyth 2010.

    >>> p_value(3.0, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    own = int(plus_one)
    above = (own + int(at_least(scores, observed, tie).sum())) / (own + len(scores))
    below = (own + int(at_least(-scores, -observed, tie).sum())) / (own + len(scores))
    if alternative == "two-sided":
        return min(1.0, 2 * min(above, below))
    return above if alternative == "greater" else below


def at_least(scores: Float[np.ndarray, " m"], observed: float, tie: float) -> Bool[np.ndarray, " m"]:
    """Which scores reach the observed one; one that differs only by rounding reaches it, and so does NaN."""
    return ~(scores < observed - tie)


def corrected(observed: float, null_mean: float) -> float:
    """(s − null mean) / (1 − null mean): 0 at chance, 1 where the measure is 1; NaN where chance is 1.

    >>> corrected(0.625, 0.25)
    0.5
    """
    room = 1 - null_mean
    return (observed - null_mean) / room if room > 1e-6 else float("nan")
