"""Activations read by feature, while they are stored by row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from congruence.activations.store import ActivationStore

IN_MEMORY = 512 << 20
"""Bytes of activations up to which a layer is turned once; a larger one is read through for each feature."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The rows on which each feature fires.

    Attributes:
        acts: the store, or the store pooled.
        turned: all activations by column; None where they are too many.
    """

    acts: Any
    turned: sparse.csc_array | None

    @classmethod
    def of(
        cls,
        store: ActivationStore,
        groups: tuple[np.ndarray, np.ndarray] | None,
        pooling: str | None,
        document_offsets: np.ndarray,
    ) -> "Columns":
        """Of a store; `groups` are the rows of each unit where the sides' tokens differ."""
        acts: Any = store
        if groups is not None:
            from congruence.activations.pooling import PooledActs
            from congruence.models.alignment import Groups

            offsets, rows = groups
            nothing = np.zeros(len(offsets) - 1, dtype=np.int32)
            acts = PooledActs(store, Groups(offsets, rows), pooling or "last", document_offsets, nothing)  # pyright: ignore[reportArgumentType]
        turned = sparse.csc_array(acts.to_csr()) if store.nbytes <= IN_MEMORY else None
        return cls(acts, turned)

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.acts.shape[0])

    @property
    def width(self) -> int:
        """Features."""
        return int(self.acts.shape[1])

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return 0 if self.turned is None else self.turned.data.nbytes + self.turned.indices.nbytes

    def __getitem__(self, feature: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows on which a feature fires, ascending, and its activations there."""
        if self.turned is not None:
            start, stop = self.turned.indptr[feature : feature + 2]
            rows, values = self.turned.indices[start:stop].astype(np.int64), self.turned.data[start:stop]
        else:
            parts, first = [], 0
            for block in self.acts:
                at = np.flatnonzero(block.indices == feature)
                parts.append((first + np.searchsorted(block.indptr, at, side="right") - 1, block.data[at]))
                first += block.shape[0]
            rows = np.concatenate([rows for rows, _ in parts])
            values = np.concatenate([values for _, values in parts])
        order = np.argsort(rows, kind="stable")
        keep = order[values[order] != 0]
        return rows[keep], values[keep]


def values_at(column: tuple[np.ndarray, np.ndarray], start: int, stop: int) -> np.ndarray:
    """A feature's activations on the rows start to stop, zeros included."""
    rows, values = column
    low, high = np.searchsorted(rows, [start, stop])
    found = np.zeros(stop - start, dtype=np.float64)
    found[rows[low:high] - start] = values[low:high]
    return found
