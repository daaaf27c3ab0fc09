"""Keep pairs whose features fire most strongly on a common token."""

import numpy as np

from congruence.filters.pairs import Pairs
from congruence.filters.registry import FILTERS


@FILTERS.register("shared_token")
def shared_token(pairs: Pairs) -> np.ndarray:
    """Keep a pair if the two lists of top tokens have a string in common.

    Lan et al. 2024, appendix F, filter 2.
    """
    common = (pairs.tokens_a[:, :, None] == pairs.tokens_b[:, None, :]) & (pairs.tokens_a[:, :, None] >= 0)
    return common.any(axis=(1, 2))
