"""`by_index`: feature i of A with feature i of B, as for SAEs that were trained from one start."""

import numpy as np

from congruence.matching import MATCHERS
from congruence.matching.pairs import Found, matching_of
from congruence.records import Matching
from congruence.stats import PreparedActs, correlate


@MATCHERS.register("by_index")
def by_index(a: PreparedActs, b: PreparedActs, *, measure: str, min_cofirings: int) -> Matching:
    """The pairs of equal index that are each other's candidates among the ten best."""
    correlation = correlate(a, b, measure=measure, top_k=10, min_cofirings=min_cofirings)
    best = correlation.b_to_a
    feature, rank = np.nonzero(best.indices == np.arange(len(best.indices))[:, None])
    found = Found(feature, feature, best.values[feature, rank], best.cofirings[feature, rank])
    return matching_of(correlation, found, method="by_index", objective="equal index", from_="b")
