"""Each measure of similarity, as centring and scaling of the features before a sum over tokens."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from congruence.errors import ConfigError, unknown_name
from congruence.stats.kernels_scan import DISTANCE, LINEAR, RATIO
from congruence.stats.moments import Moments, add_squares
from congruence.stats.sources import Source


@dataclass(frozen=True)
class Scaling:
    """How a measure follows from s, the sum over tokens of (x_a - centre_a) scale_a (x_b - centre_b) scale_b.

    Attributes:
        kind: LINEAR s - shift_a weight_b - extra_a, with |s| <= 2; RATIO of co-firings, without s; or
            DISTANCE 2 s - shift_a weight_b - extra_a.
        centre, scale, shift, weight, extra: (f,) of one side.
    """

    kind: int
    centre: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    weight: np.ndarray
    extra: np.ndarray

    def of_features(self, features: np.ndarray) -> "Scaling":
        """That of some features, in the order given."""
        parts = (self.centre, self.scale, self.shift, self.weight, self.extra)
        return Scaling(self.kind, *(part[features] for part in parts))


def pearson_scaling(moments: Moments, _: Source) -> Scaling:
    """r = s - n m_a m_b / sqrt(M_a M_b), M the sum of squared deviations.

    A feature silent on at least half of the tokens has n m^2 <= M, so nothing cancels; one that fires on more
    is centred first, which makes its silent tokens non-zero and its mean zero.
    """
    often = moments.firings * 2 > moments.n
    centre = np.where(often, moments.mean, 0.0)
    scale = _inverse(np.sqrt(moments.square_deviation))
    rest = np.where(often, moments.mean_rest, moments.mean)
    # In float32, as the scaled values are: features that are equal but for a factor then tie.
    weight = (rest * scale * np.sqrt(moments.n)).astype(np.float32).astype(np.float64)
    return Scaling(LINEAR, centre, scale, weight, weight, np.zeros(len(moments)))


def cosine_scaling(moments: Moments, _: Source) -> Scaling:
    """cos = s with unit columns."""
    zero = np.zeros(len(moments))
    return Scaling(LINEAR, zero, _inverse(np.sqrt(moments.square_sum)), zero, zero, zero)


def euclidean_scaling(moments: Moments, source: Source) -> Scaling:
    """-|x_a - x_b|^2 = 2 s - |x_a|^2 - |x_b|^2.

    The squares are those of the float32 values that s is made of, added in the same order: equal features are
    at distance 0.
    """
    zero, one, squares = np.zeros(len(moments)), np.ones(len(moments)), np.zeros(len(moments))
    for _, block in source.blocks():
        add_squares(block.indices, block.data, squares)
    return Scaling(DISTANCE, zero, one, one, squares, squares)


def jaccard_scaling(moments: Moments, _: Source) -> Scaling:
    """Co-firings only: no activation is read."""
    zero = np.zeros(len(moments))
    return Scaling(RATIO, zero, zero, zero, zero, zero)


SCALINGS: dict[str, Callable[[Moments, Source], Scaling]] = {
    "pearson": pearson_scaling,
    "cosine": cosine_scaling,
    "euclidean": euclidean_scaling,
    "jaccard": jaccard_scaling,
}


def check_measure(measure: str) -> None:
    """Refuse a measure that isn't on the list.

    Raises:
        ConfigError: names the nearest one that is.
    """
    if measure not in SCALINGS:
        raise ConfigError(unknown_name("measure", measure, SCALINGS))


def scaling_of(measure: str, moments: Moments, source: Source) -> Scaling:
    """The scaling of a measure by name."""
    check_measure(measure)
    return SCALINGS[measure](moments, source)


def readable(values: np.ndarray, measure: str) -> np.ndarray:
    """Similarities as the user reads them: correlations within [-1, 1], distances unsquared and negated."""
    if measure == "euclidean":
        return 0.0 - np.sqrt(np.maximum(-values, 0.0))
    return np.clip(values, -1.0, 1.0)


def in_kernel_terms(threshold: float, measure: str) -> float:
    """A threshold on similarities as the user reads them, for those not yet made `readable`.

    Distances stay squared until they are shown; none is above zero.
    """
    if measure == "euclidean":
        return -(float(threshold) ** 2) if threshold <= 0 else np.inf
    return float(threshold)


def _inverse(values: np.ndarray) -> np.ndarray:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
