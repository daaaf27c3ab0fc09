"""Many subsets of features in one array, and random ones: what nulls draw and compiled loops read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float, Int


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


def random_sets(pool: Int[np.ndarray, " w"], size: int, draws: int, rng: np.random.Generator) -> Ragged:
    """`draws` sets of `size` distinct entries of `pool`, every set equally likely; at most all of them."""
    size = min(size, len(pool))
    chosen = _partial_shuffles(np.array(pool, dtype=np.int64), rng.random((draws, size)))
    return Ragged(chosen.ravel(), np.arange(draws + 1, dtype=np.int64) * size)


@numba.njit(nogil=True, cache=True)
def _partial_shuffles(pool: Int[np.ndarray, " w"], uniform: Float[np.ndarray, "m s"]):
    """The first s places of a Fisher-Yates shuffle for every draw; one draw goes on from the last."""
    draws, size = uniform.shape
    out = np.empty((draws, size), dtype=np.int64)
    for d in range(draws):
        for i in range(size):
            other = i + int(uniform[d, i] * (len(pool) - i))
            pool[i], pool[other] = pool[other], pool[i]
            out[d, i] = pool[i]
    return out
