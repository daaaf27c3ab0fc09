"""What pairing inside subsets reads: many subsets in one array, and a layer laid out by feature."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from congruence.stats import PreparedActs, prepare
from congruence.stats.layout import Columns


@dataclass(frozen=True)
class Ragged:
    """Index lists put end to end.

    Attributes:
        values: all entries.
        offsets: (lists + 1,) where each list begins, and the end.
    """

    values: Int[np.ndarray, " entries"]
    offsets: Int[np.ndarray, " lists_plus_1"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> np.ndarray:
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """(lists,) number of entries of each."""
        return np.diff(self.offsets)

    def take(self, numbers: Int[np.ndarray, " k"]) -> "Ragged":
        """Some of the lists, in the order given."""
        lengths = self.lengths[numbers]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        shifts = np.repeat(self.offsets[numbers] - offsets[:-1], lengths)
        return Ragged(self.values[shifts + np.arange(offsets[-1])], offsets)

    @classmethod
    def joined(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """The lists of all parts, one after another."""
        lengths = np.concatenate([part.lengths for part in parts])
        values = np.concatenate([part.values for part in parts])
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @classmethod
    def of(cls, lists: Sequence[np.ndarray]) -> "Ragged":
        """Put lists end to end."""
        offsets = np.concatenate([[0], np.cumsum([len(entries) for entries in lists])]).astype(np.int64)
        values = np.concatenate(lists) if len(lists) else np.empty(0)
        return cls(values.astype(np.int64), offsets)


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
