"""Keep one pair for each repeated feature."""

import numpy as np

from congruence.errors import ConfigError
from congruence.filters.pairs import Pairs
from congruence.filters.registry import FILTERS


@FILTERS.register("one_to_one")
def one_to_one(pairs: Pairs, *, keep: str = "best") -> np.ndarray:
    """Keep, of the pairs that share a feature on either side, the best-correlated or the first.

    ``first`` goes by the index of the feature that sought its partner and is what the code of Lan et al. 2024
    does (appendix F, filter 3); ``best`` keeps the highest r, ties to the first.

    Raises:
        ConfigError: `keep` is neither.
    """
    matching = pairs.matching
    if keep == "best":
        order = np.argsort(-matching.r, kind="stable")
    elif keep == "first":
        order = np.arange(len(matching))
    else:
        raise ConfigError(f"one_to_one can't keep {keep!r}: keep is 'best' or 'first'")
    kept = np.zeros(len(matching), dtype=bool)
    seen_a: set[int] = set()
    seen_b: set[int] = set()
    for pair in order:
        feature_a, feature_b = int(matching.feature_a[pair]), int(matching.feature_b[pair])
        if feature_a not in seen_a and feature_b not in seen_b:
            kept[pair] = True
            seen_a.add(feature_a)
            seen_b.add(feature_b)
    return kept
