"""Filters by the numbers in the match record."""

import numpy as np

from congruence.filters.pairs import Pairs
from congruence.filters.registry import FILTERS


@FILTERS.register("min_r")
def min_r(pairs: Pairs, *, value: float = 0.1) -> np.ndarray:
    """Keep a pair with r > value. Lan et al. 2024 (in the code, not in the paper): 0.1."""
    return pairs.matching.r > value


@FILTERS.register("min_cofirings")
def min_cofirings(pairs: Pairs, *, value: int = 5) -> np.ndarray:
    """Keep a pair whose features fire together on at least `value` tokens. Ours."""
    return pairs.matching.cofirings >= value


@FILTERS.register("min_firings")
def min_firings(pairs: Pairs, *, value: int = 5) -> np.ndarray:
    """Keep a pair of which both features fire on at least `value` tokens. Ours."""
    return np.minimum(pairs.matching.firings_a, pairs.matching.firings_b) >= value


@FILTERS.register("min_margin")
def min_margin(pairs: Pairs, *, value: float = 0.0) -> np.ndarray:
    """Keep a pair whose r exceeds that of the second-best partner by more than `value`. Ours."""
    return pairs.matching.margin > value


@FILTERS.register("mutual")
def mutual(pairs: Pairs) -> np.ndarray:
    """Keep a pair whose features are each other's best partner. Ours."""
    return pairs.matching.mutual.copy()
