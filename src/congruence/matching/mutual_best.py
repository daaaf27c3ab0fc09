"""Pairs that are each other's best partner."""

import numpy as np

from congruence.matching.pairs import Found, matching_of
from congruence.matching.registry import MATCHERS
from congruence.records import Matching
from congruence.stats import Correlation, PreparedActs, correlate


def mutual_best(correlation: Correlation) -> Matching:
    """The pairs whose features are each other's best partner, in the order of the A features.

    Maximises the similarity of both features of every pair at once; features without such a partner stay out.
    """
    best = correlation.a_to_b
    feature_a = np.flatnonzero(best.indices[:, 0] >= 0)
    feature_b = best.indices[feature_a, 0]
    both = correlation.b_to_a.indices[feature_b, 0] == feature_a
    feature_a, feature_b = feature_a[both], feature_b[both]
    return matching_of(
        correlation,
        Found(feature_a, feature_b, best.values[feature_a, 0], best.cofirings[feature_a, 0]),
        method="mutual_best",
        objective="both features' own similarity",
    )


@MATCHERS.register("mutual_best")
def match_mutual_best(a: PreparedActs, b: PreparedActs, *, measure: str, min_cofirings: int) -> Matching:
    """Correlate, then :func:`mutual_best`."""
    return mutual_best(correlate(a, b, measure=measure, top_k=2, min_cofirings=min_cofirings))
