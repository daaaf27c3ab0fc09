"""The whole matrix of similarities, for small cases."""

from typing import Any

import numpy as np

from congruence.stats.correlation import prepare_pair
from congruence.stats.engine import choose_engine
from congruence.stats.graph import list_pairs
from congruence.stats.scaling import check_measure
from congruence.threads import available_threads


def full_correlation(
    acts_a: Any,
    acts_b: Any,
    *,
    measure: str = "pearson",
    mask: np.ndarray | None = None,
    engine: str = "auto",
    device: str | None = None,
) -> np.ndarray:
    """The (f, g) float64 matrix of similarities; NaN where either feature is constant. Memory 48 f g bytes.

    Args:
        acts_a, acts_b, measure, mask, engine, device: as for :func:`correlate`.

    Raises:
        InputError, ConfigError: as :func:`correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b, mask=mask)
    check_measure(measure)
    choice = choose_engine(a, b, engine=engine, device=device, threads=available_threads())
    out = np.full((a.shape[1], b.shape[1]), np.nan)
    pairs = list_pairs(a, b, choice, measure=measure, least=-np.inf, fewest=0, max_pairs=out.size)
    out[pairs.feature_a, pairs.feature_b] = pairs.values
    return out
