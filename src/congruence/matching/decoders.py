"""Pairing by decoder rows: where both SAEs write into one space, the nearest feature is the partner."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from congruence.errors import InputError
from congruence.matching.registry import MATCHERS, match_decoders
from congruence.records import Matching
from congruence.stats import pair_similarities, prepare_pair


@MATCHERS.register("decoder_cosine")
def decoder_cosine(
    acts_a: Any,
    acts_b: Any,
    *,
    measure: str = "pearson",
    min_cofirings: int = 1,
    from_: Literal["a", "b"] = "b",
    rows: tuple[np.ndarray, np.ndarray] | None = None,
) -> Matching:
    """Each feature with the one whose decoder row is nearest by cosine: for two SAEs of one model.

    Activations don't find the pairs; they tell how these fire. Lan et al. 2024, appendix A.

    Args:
        acts_a, acts_b: (n, f) and (n, g) activations; features that never fire are left out.
        measure: similarity of activations that the record tells as `r`.
        min_cofirings: keep pairs that fire together on at least so many tokens.
        from_: the side whose every feature takes its nearest partner.
        rows: (f, d) and (g, d) decoder rows; in a run those of its SAEs.

    Returns:
        The pairs; `margin` and `mutual` are told by cosines, `total` is their sum.

    Raises:
        InputError: no decoder rows are given, or they write into spaces of different width.
    """
    if rows is None:
        raise InputError("decoder_cosine pairs decoder rows: give rows=(W_dec_a, W_dec_b)")
    a, b = prepare_pair(acts_a, acts_b)
    firings = a.moments.firings, b.moments.firings
    live = [np.flatnonzero(fires) for fires in firings]
    decoders = [np.asarray(W_dec)[alive] for W_dec, alive in zip(rows, live, strict=True)]
    found = match_decoders(*decoders, method="many_to_one", from_=from_)
    features = live[0][found.feature_a], live[1][found.feature_b]
    r, cofirings = pair_similarities(a, b, *features, measure=measure)
    made = replace(
        found,
        method="decoder_cosine",
        feature_a=features[0],
        feature_b=features[1],
        r=r,
        firings_a=firings[0][features[0]],
        firings_b=firings[1][features[1]],
        cofirings=cofirings,
        objective="each feature's cosine of decoder rows",
        measure=measure,
    )
    return made.select(cofirings >= min_cofirings)
