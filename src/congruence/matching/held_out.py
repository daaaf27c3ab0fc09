"""What pairs are worth beyond the tokens they were found on, and beyond chance."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from congruence.records import Matching
from congruence.stats import BestNull, best_r_null, pair_similarities, prepare_pair
from congruence.stats.pair_correlations import offsets_of

_LEVEL = 0.95


def held_out(
    acts_a: Any, acts_b: Any, matching: Matching, *, mask: Bool[np.ndarray, " n"] | None = None
) -> Matching:
    """The same pairs with r, firings and co-firings taken anew on tokens they weren't chosen by.

    The best of many partners looks better than it is on the tokens that chose it: of independent features the
    held-out r is 0 on average. `margin` and `mutual` say how the choice was made and stay those of the tokens
    that it was made on; `total` is the sum of the r defined here.

    Args:
        acts_a, acts_b: (n, f) and (n, g) activations, as for `correlate`.
        matching: pairs found on other tokens.
        mask: (n,) bool, the tokens to measure on, as :func:`congruence.stats.halves_of_documents` gives them;
            None where the sides hold no others.

    Returns:
        Matching; r is NaN where a feature doesn't vary on these tokens.

    Raises:
        InputError: as `correlate`, or `mask` doesn't fit.
    """
    a, b = prepare_pair(acts_a, acts_b)
    if mask is not None:
        a, b = a.part(mask), b.part(mask)
    feature_a, feature_b = matching.feature_a, matching.feature_b
    r, cofirings = pair_similarities(a, b, feature_a, feature_b, measure=matching.measure)
    return replace(
        matching,
        r=r,
        cofirings=cofirings,
        firings_a=a.moments.firings[feature_a],
        firings_b=b.moments.firings[feature_b],
        total=float(np.nansum(r)),
    )


def null_of_best_r(
    acts_a: Any,
    acts_b: Any,
    matching: Matching,
    *,
    rng: np.random.Generator,
    draws: int = 100,
    from_: Literal["a", "b"] = "b",
    min_cofirings: int = 1,
    document_offsets: Int[np.ndarray, " documents_plus_1"] | None = None,
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """For each pair the 95 % point of its seeking feature's best r on unrelated text, and the p of its own r.

    Side A is shifted round the corpus by whole documents (:func:`congruence.stats.best_r_null`), without
    repetition: with D documents there are D - 1 shifts, more aren't drawn, and p can't be below 1 / D. Each
    draw is one search for best partners, with the layouts of both sides taken over.

    In ``many_to_one`` and ``one_to_one`` the features of side `from_` seek, in ``transport`` those of A. Any
    other method chooses by both; there each pair is held against the side on which its p is larger.

    Args:
        acts_a, acts_b, min_cofirings: what the pairs were found by.
        matching: the pairs; their r must be of these tokens.
        rng: draws the shifts.
        draws: shifts wanted.
        from_: the seeking side, where the method has one.
        document_offsets: (documents + 1,) first row of each document, and n at the end; needless where the
            activations bring their own.

    Returns:
        (p,) null_q95: the least best r of a draw that 95 % of the draws don't exceed; a draw in which the
        feature has no partner counts as lower than any r, and NaN stands where that goes for 95 % of them.
        (p,) p: (1 + draws with a best r of at least the pair's) / (1 + draws); NaN where r is.

    Raises:
        InputError: fewer than two documents, or nobody says where they begin; else as `correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b)
    offsets = offsets_of(a, b, document_offsets)
    null = best_r_null(
        a,
        b,
        rng=rng,
        draws=min(draws, max(1, len(np.unique(offsets)) - 2)),
        document_offsets=offsets,
        measure=matching.measure,
        min_cofirings=min_cofirings,
    )
    sides = {"many_to_one": from_, "one_to_one": from_, "transport": "a"}.get(matching.method, "ab")
    found = [_against(null, matching, side) for side in sides]
    if len(found) == 1:
        return found[0]
    (q_a, p_a), (q_b, p_b) = found
    # The side with the larger p; the larger 95 % point where p is the same.
    by_b = (p_b > p_a) | ((p_b == p_a) & (q_b > q_a))
    return np.where(by_b, q_b, q_a), np.where(by_b, p_b, p_a)


def _against(null: BestNull, matching: Matching, side: str) -> tuple[np.ndarray, np.ndarray]:
    """95 % point and p of each pair, by the null of its feature on one side."""
    features, best = (matching.feature_a, null.a_to_b) if side == "a" else (matching.feature_b, null.b_to_a)
    draws = np.where(np.isnan(best[:, features]), -np.inf, best[:, features])
    p = (1.0 + (draws >= matching.r).sum(axis=0)) / (1.0 + len(draws))
    point = np.sort(draws, axis=0)[int(np.ceil(_LEVEL * len(draws))) - 1]
    return np.where(np.isneginf(point), np.nan, point), np.where(np.isnan(matching.r), np.nan, p)
