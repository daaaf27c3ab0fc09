"""What pairing inside subsets reads: many subsets in one array, and a layer laid out by feature."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from congruence.matching.kernels_inside import entries_of_some
from congruence.stats import PreparedActs, prepare
from congruence.stats.layout import Columns
from congruence.stats.sparse_engine import PART_SIZE


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
        alive: (f,) the feature varies, and isn't left out of all subsets.
    """

    acts: PreparedActs
    alive: Bool[np.ndarray, " f"]
    _rows: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, acts: Any, *, exclude: Bool[np.ndarray, " f"] | None = None) -> "LayerColumns":
        """From activations of any kind that `congruence.stats` reads, or a side it has prepared.

        Args:
            acts: the activations.
            exclude: (f,) features that no subset holds; nothing is computed of them.
        """
        prepared = prepare(acts)
        varies = ~prepared.moments.constant
        return cls(prepared, varies if exclude is None else varies & ~exclude)

    def rows(self, measure: str) -> tuple[np.ndarray, ...]:
        """The first part of the layout by token, as kernels read it, without the features left out."""
        features, arrays = self.acts.rows(measure, PART_SIZE).part(0)
        keep = self.alive[features]
        if keep.all():
            return arrays
        if measure not in self._rows:
            inputs: tuple[Any, ...] = (*arrays, keep)
            self._rows[measure] = entries_of_some(*inputs)
        return self._rows[measure]

    @property
    def n(self) -> int:
        """Tokens."""
        return self.acts.shape[0]


@dataclass(frozen=True)
class MeasuredColumns:
    """One side under one measure, its varying features numbered in the order of their columns.

    Attributes:
        columns: scaled activations by feature; `columns.features` are the features behind the numbers.
        place: (f,) number of each feature; -1 where it doesn't vary or is left out.
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
        place[features] = np.where(layer.alive[features], np.arange(len(features)), -1)
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
        """The same subsets as numbers, without the features that have none."""
        numbers = self.place[subsets.values]
        keep = numbers >= 0
        before = np.concatenate([[0], np.cumsum(keep)])
        return Ragged(numbers[keep], before[subsets.offsets])
