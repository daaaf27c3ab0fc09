"""Quantiles of null scores, as numpy gives them, for many short lists one after another."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def quantiles(values: Float[np.ndarray, " n"], levels: Sequence[float]) -> list[float]:
    """Quantiles by linear interpolation: the same bits as `numpy.quantile`, whose overhead is left out.

    Args:
        values: one at least, all finite.
        levels: in [0, 1].

    >>> quantiles(np.array([3.0, 1.0, 2.0]), [0.5, 0.75])
    [2.0, 2.5]
    """
    ascending = np.sort(values)
    last = len(ascending) - 1
    return [_at(ascending, last * level, last) for level in levels]


def _at(ascending: Float[np.ndarray, " n"], place: float, last: int) -> float:
    below = min(int(place), last)
    low, high, share = float(ascending[below]), float(ascending[min(below + 1, last)]), place - below
    step = high - low
    return high - step * (1 - share) if share >= 0.5 else low + step * share
