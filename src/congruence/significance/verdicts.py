"""Shared, not shared, or can't be told: the verdict on every feature of one side.

Two things are tested of a feature, each with its own false discovery rate over all features of its side, and
what neither test settles can't be told.

- **Is its best r chance?** p is the share of best r of shifted text, of the features that fire about as
  often, that reach it; the best is taken over the same layers in both.
- **Is its best r less than a counterpart's?** A counterpart is a feature whose r is at least `share` of the
  ceiling, which is the best r in another SAE of the feature's own model. p is the chance that such a one
  shows so small an r on so few occasions (:func:`p_of_lacking`).

*Shared*: the first is rejected, r is at least `share` of the ceiling (of 1 where no ceiling is known), and
the two features are each other's best partners in their layers. A best partner that is nearer to another
feature may be a parent or a part: what fires on half of the tokens of another feature has r = √½ of what it
could be. So such a one counts only if its r is above √½ of the ceiling beyond the error of r. *Not shared*:
the second is rejected, which needs a ceiling. All else, with its reason: *can't be told*.

Judged on made-up models in docs/truth.md.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from congruence.significance.correction import benjamini_hochberg
from congruence.significance.quantiles import quantiles

SHARED, NOT_SHARED, UNTOLD = "shared", "not shared", "can't be told"
VERDICTS = (SHARED, NOT_SHARED, UNTOLD)
REASONS = {
    "chance": "its best r is what unrelated text gives as well",
    "one-sided": "its best partner is nearer to another feature: it may be a part or a parent of it",
    "weak": "its best r lies below the share of its ceiling, but not clearly",
    "few": "it fires on too few occasions for any r to speak against a counterpart",
    "no ceiling": "its best r is small, and no other SAE of its model says what it could be",
}
"""Why a verdict can't be given."""

FDR, SHARE, NEIGHBOURS = 0.05, 0.5, 50
HALF = math.sqrt(0.5)
"""Correlation of a feature with one that fires on half of its tokens."""
_Z = 1.6448536269514722
"""95 % point of the normal distribution."""


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What is said of each feature, with the numbers behind it.

    Attributes:
        verdict: (f,) one of VERDICTS.
        reason: (f,) one of REASONS where it can't be told; "" elsewhere.
        null_r: (f,) 95 % point of the best r of unrelated text at its firing rate.
        p, q: (f,) of its best r being chance.
        p_lacking, q_lacking: (f,) of its having a counterpart all the same; NaN without a ceiling.
    """

    verdict: np.ndarray
    reason: np.ndarray
    null_r: np.ndarray
    p: np.ndarray
    q: np.ndarray
    p_lacking: np.ndarray
    q_lacking: np.ndarray


def verdicts(
    r: Float[np.ndarray, " f"],
    null: Float[np.ndarray, "draws f"],
    *,
    firings: Int[np.ndarray, " f"],
    occasions: Float[np.ndarray, " f"],
    mutual: Bool[np.ndarray, " f"],
    ceiling: Float[np.ndarray, " f"] | None = None,
    layer: Int[np.ndarray, " f"] | None = None,
    share: float = SHARE,
    fdr: float = FDR,
) -> Verdicts:
    """The verdict on every feature of one side; the rules stand at the head of this module.

    Args:
        r: best r of each feature that fires; NaN where it has no partner.
        null: the same of shifted text.
        firings: tokens on which it fires.
        occasions: effective number of documents on which it does (`congruence.stats.occasions`).
        mutual: its best partner's best partner is this feature.
        ceiling: best r in another SAE of its own model; NaN or None where none is known.
        layer: its layer: chance is drawn within it.
        share: of the ceiling that a counterpart reaches.
        fdr: false discovery rate of either claim.
    """
    ceiling = np.full(len(r), np.nan) if ceiling is None else ceiling
    layer = np.zeros(len(r), np.int64) if layer is None else layer
    p, null_r = np.full(len(r), np.nan), np.full(len(r), np.nan)
    for one in np.unique(layer):
        mine = np.flatnonzero(layer == one)
        p[mine], null_r[mine] = p_of_chance(r[mine], null[:, mine], firings[mine])
    lacking = p_of_lacking(r, ceiling, occasions, share=share)
    q, q_lacking = benjamini_hochberg(p), benjamini_hochberg(lacking)
    needed = share * np.where(np.isnan(ceiling), 1.0, ceiling)
    with np.errstate(invalid="ignore"):
        above, enough = q <= fdr, r >= needed
        near = p_of_lacking(r, ceiling, occasions, share=HALF) >= 1 - fdr
        shared = above & enough & (mutual | near)
        lacks = (q_lacking <= fdr) & ~shared
        seen = p_of_lacking(np.zeros_like(r), ceiling, occasions, share=share) <= fdr
    reason = np.select(
        [shared | lacks, enough & ~above, enough, np.isnan(ceiling), ~seen, ~above],
        ["", "chance", "one-sided", "no ceiling", "few", "chance"],
        "weak",
    )
    verdict = np.select([shared, lacks], [SHARED, NOT_SHARED], UNTOLD)
    return Verdicts(verdict, reason, null_r, p, q, lacking, q_lacking)


def p_of_chance(
    r: Float[np.ndarray, " f"],
    null: Float[np.ndarray, "draws f"],
    firings: Int[np.ndarray, " f"],
    neighbours: int = NEIGHBOURS,
) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
    """(1 + null r that reach it) / (1 + null r) of features that fire about as often; and the 95 % point.

    Features of equal firing rate have best r of about equal distribution on unrelated text, so a feature is
    held against the draws of those nearest to it by rank of firing rate, its own among them: a handful of
    draws give a p of a thousandth.

    Args:
        r: observed best r; NaN where there is none, which has p 1.
        null: best r of each draw; NaN counts as reached.
        firings: tokens on which each feature fires.
        neighbours: features whose draws are taken together, about.
    """
    order = np.lexsort((np.arange(len(r)), firings))
    width = min(neighbours, len(r))
    p, point = np.ones(len(r)), np.full(len(r), np.nan)
    for rank, feature in enumerate(order):
        low = min(max(0, rank - width // 2), len(r) - width)
        drawn = null[:, order[low : low + width]].ravel()
        if not len(drawn) or np.isnan(r[feature]):
            continue
        p[feature] = (1 + np.count_nonzero(~(drawn < r[feature]))) / (1 + len(drawn))
        finite = drawn[np.isfinite(drawn)]
        point[feature] = quantiles(finite, [0.95])[0] if len(finite) else np.nan
    return p, point


def p_of_lacking(
    r: Float[np.ndarray, " f"],
    ceiling: Float[np.ndarray, " f"],
    occasions: Float[np.ndarray, " f"],
    *,
    share: float = SHARE,
) -> Float[np.ndarray, " f"]:
    """P(best r ≤ r) of a feature whose counterpart has ρ = share · ceiling; NaN without a ceiling.

    Φ((r − ρ) / s) with s² = (ρ (1 − ρ) + share² c (1 − c)) / m, where c is the ceiling and m the occasions:
    of features that mostly fire or don't, an r is about the share of the firings that are common, on m
    independent occasions, and the ceiling was seen on the same ones. A maximum over features lies no lower
    than the counterpart's own r, so the p is cautious.
    """
    target = share * np.clip(ceiling, 0.0, 1.0)
    spread = target * (1 - target) + share**2 * np.clip(ceiling, 0.0, 1.0) * (1 - np.clip(ceiling, 0.0, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (np.where(np.isnan(r), 0.0, r) - target) / np.sqrt(spread / occasions)
        return np.where((occasions > 0) & (target > 0), ndtr(z), np.nan)


def share_interval(count: int, total: int, design: float = 1.0) -> tuple[float, float]:
    """Wilson's 90 % interval of a share, for `total` / `design` independent features.

    Args:
        count, total: features of that verdict, and all.
        design: how much larger the variance of a share is than for independent features
            (:func:`design_effect`).
    """
    if not total:
        return math.nan, math.nan
    n, share = total / max(design, 1.0), count / total
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def design_effect(null: Float[np.ndarray, "draws f"]) -> float:
    """How dependent features are: the variance between shifts of the share above a feature's own median.

    1 where features are independent, f where all rise and fall together; at least 1. From few draws it is
    rough, so that intervals that rest on it are too.
    """
    draws, features = null.shape
    if draws < 3 or not features:
        return 1.0
    above = (null > np.nanmedian(null, axis=0)).mean(axis=1)
    expected = above.mean() * (1 - above.mean()) / features
    return float(min(features, max(1.0, above.var(ddof=1) / expected))) if expected > 0 else 1.0
