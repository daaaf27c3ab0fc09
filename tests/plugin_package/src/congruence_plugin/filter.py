"""`max_r`: leave out pairs that are more alike than believable, such as copies."""

import numpy as np

from congruence.filters import FILTERS, Pairs


@FILTERS.register("max_r")
def max_r(pairs: Pairs, *, value: float = 0.999) -> np.ndarray:
    """Keep a pair with r < value."""
    return pairs.matching.r < value
