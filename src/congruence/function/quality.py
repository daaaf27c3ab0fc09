"""How good a share of the pairs is: quality over coverage, and pairs against hard negatives."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from congruence.rng import derive

POINTS = 10


def quality_curve(
    similarity: Float[np.ndarray, " p"],
    quality: Float[np.ndarray, " p"],
    weights: Float[np.ndarray, " p"] | None = None,
) -> tuple[list[Mapping[str, float]], float]:
    """Mean quality of the most similar pairs, for each tenth more of them, and its area.

    Args:
        similarity: by which pairs are ranked, as a matcher does.
        quality: agreement of each pair; pairs without one are left out.
        weights: pairs that each stands for, of a stratified sample.

    Returns:
        {coverage, quality} points, and the mean height of the curve over them; NaN of no pairs.

    Source: the quality/coverage trade-off of matchers, and the area under the substitution-quality curve:
    "Benchmarking Cross-Seed Feature Correspondence in Sparse Autoencoders" (TMLR submission 7897).
    """
    told = np.isfinite(quality)
    if not told.any():
        return [], float("nan")
    order = np.argsort(-similarity[told], kind="stable")
    weight = (np.ones(len(order)) if weights is None else weights[told])[order]
    reached = np.cumsum(weight)
    mean = np.cumsum(weight * quality[told][order]) / reached
    at = np.searchsorted(reached, np.arange(1, POINTS + 1) / POINTS * reached[-1] * (1 - 1e-12))
    points: Sequence[Mapping[str, float]] = [
        {"coverage": (number + 1) / POINTS, "quality": float(mean[place])} for number, place in enumerate(at)
    ]
    return list(points), float(np.mean([point["quality"] for point in points]))


def above_null(quality: Float[np.ndarray, " p"], null: Float[np.ndarray, " n"]) -> tuple[np.ndarray, float]:
    """Which pairs do the same: those whose agreement is above the 95 % point of the null's.

    Args:
        quality: agreement of each pair; NaN where it has none.
        null: that of what they are held against; what isn't finite is left out.

    Returns:
        (p,) mask, and that point, NaN of an empty null, above which nothing is.
    """
    null = null[np.isfinite(null)]
    q95 = float(np.quantile(null, 0.95)) if len(null) else float("nan")
    return np.isfinite(quality) & (quality > q95), q95


def p_of_pairs(differences: Float[np.ndarray, " p"], *, draws: int = 999, seed: int = 0) -> float:
    """p of the mean difference between pairs and the hard negatives beside them, by flips of sign.

    Args:
        differences: agreement of each pair minus that of its negative; those that aren't finite are left out.
        draws: flips of all signs.
        seed: of them.

    Returns:
        (1 + draws at least as high) / (1 + draws); NaN of fewer than two.
    """
    known = differences[np.isfinite(differences)]
    if len(known) < 2:
        return float("nan")
    signs = derive(seed, "p_of_pairs").choice([-1.0, 1.0], size=(draws, len(known)))
    return float((1 + (signs @ known >= known.sum() - 1e-12).sum()) / (1 + draws))
