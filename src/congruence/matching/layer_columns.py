"""One layer as pairing inside subsets reads it: laid out by feature, its varying features numbered."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from congruence.matching.subsets import Ragged
from congruence.stats import PreparedActs, prepare
from congruence.stats.layout import Columns


@dataclass(frozen=True)
class LayerColumns:
    """One layer's activations, to be paired inside subsets.

    Attributes:
        acts: the side, as `congruence.stats` prepares it.
        alive: (f,) the feature varies.
    """

    acts: PreparedActs
    alive: Bool[np.ndarray, " f"]

    @classmethod
    def of(cls, acts: Any) -> "LayerColumns":
        """From activations of any kind that `congruence.stats` reads, or a side it has prepared."""
        prepared = prepare(acts)
        return cls(prepared, ~prepared.moments.constant)

    @property
    def n(self) -> int:
        """Tokens."""
        return self.acts.shape[0]


@dataclass(frozen=True)
class MeasuredColumns:
    """One side under one measure, its varying features numbered in the order of their columns.

    Attributes:
        columns: scaled activations by feature; `columns.features` are the features behind the numbers.
        place: (f,) number of each feature; -1 where it doesn't vary.
        firings, shift, extra, weight: by number, see `stats.scaling`.
    """

    columns: Columns
    place: Int[np.ndarray, " f"]
    firings: np.ndarray
    shift: np.ndarray
    extra: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, layer: LayerColumns, measure: str) -> "MeasuredColumns":
        acts, scaling = layer.acts, layer.acts.scaling(measure)
        columns = acts.columns(measure)
        features = columns.features
        place = np.full(acts.shape[1], -1, np.int64)
        place[features] = np.arange(len(features))
        firings = acts.moments.firings[features].astype(np.float64)
        return cls(
            columns,
            place,
            firings,
            scaling.shift[features],
            scaling.extra[features],
            scaling.weight[features],
        )

    def numbered(self, subsets: Ragged) -> Ragged:
        """The same subsets as numbers; features that don't vary are left out."""
        numbers = self.place[subsets.values]
        keep = numbers >= 0
        before = np.concatenate([[0], np.cumsum(keep)])
        return Ragged(numbers[keep], before[subsets.offsets])
