"""Many subsets of features in one array: what nulls draw and compiled loops read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


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
