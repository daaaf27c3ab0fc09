"""Token rows pooled into coarser units, for models whose tokenizers differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy import sparse

from congruence.activations.store import ActivationStore
from congruence.errors import InputError
from congruence.models.alignment import Groups

Pooling = Literal["last", "max", "mean"]

_BLOCK_UNITS = 4096


def pool_rows(csr: sparse.csr_array, groups: Groups, how: Pooling) -> sparse.csr_array:
    """One row a unit: the last of its rows, their maximum, or their mean, feature by feature.

    Args:
        csr: (n, f) activations.
        groups: the rows of each unit; none is empty.
        how: "last", "max" or "mean".

    Returns:
        (units, f) float32.
    """
    if how not in _POOLINGS:
        raise InputError(f"pooling {how!r} isn't known: write 'last', 'max' or 'mean'")
    return sparse.csr_array(_POOLINGS[how](csr, groups), dtype=np.float32)


def pool_states(states: Float[np.ndarray, "n d"], groups: Groups, how: Pooling) -> Float[np.ndarray, "u d"]:
    """One hidden state a unit: the mean of its tokens' where `how` is "mean", else its last token's.

    Args:
        states: (n, d).
        groups: the rows of each unit; none is empty.
        how: how features are pooled; a maximum of states means nothing.
    """
    if how != "mean":
        return states[groups.rows[groups.offsets[1:] - 1]]
    sums = np.add.reduceat(states[groups.rows], groups.offsets[:-1], axis=0)
    return sums / np.diff(groups.offsets)[:, None].astype(states.dtype)


def _last(csr: sparse.csr_array, groups: Groups) -> sparse.csr_array:
    return csr[groups.rows[groups.offsets[1:] - 1]]


def _mean(csr: sparse.csr_array, groups: Groups) -> sparse.csr_array:
    rows, _ = _shape(csr)
    sizes = np.diff(groups.offsets)
    weights = np.repeat(1 / sizes, sizes)
    return sparse.csr_array((weights, groups.rows, groups.offsets), shape=(len(groups), rows)) @ csr


def _max(csr: sparse.csr_array, groups: Groups) -> sparse.csr_array:
    """Maximum over each unit's rows; a value that isn't stored counts as zero."""
    shape = (len(groups), _shape(csr)[1])
    taken = csr[groups.rows].tocoo()
    sizes = np.diff(groups.offsets)
    unit = np.repeat(np.arange(len(groups)), sizes)[taken.coords[0]]
    order = np.lexsort((taken.coords[1], unit))
    unit, feature, value = unit[order], taken.coords[1][order], taken.data[order]
    first = np.flatnonzero((np.diff(unit, prepend=-1) != 0) | (np.diff(feature, prepend=-1) != 0))
    if not len(first):
        return sparse.csr_array(shape, dtype=np.float32)
    stored = np.diff(np.append(first, len(value)))
    top = np.maximum.reduceat(value, first)
    top = np.where(stored < sizes[unit[first]], np.maximum(top, 0), top)
    pooled = sparse.csr_array((top, (unit[first], feature[first])), shape=shape)
    pooled.eliminate_zeros()
    return pooled


def _shape(csr: Any) -> tuple[int, int]:
    return csr.shape


_POOLINGS = {"last": _last, "max": _max, "mean": _mean}


@dataclass(frozen=True, eq=False)
class PooledActs:
    """A store read unit by unit; a `congruence.records.FeatureActs` like the store itself.

    Attributes:
        store: token by token.
        groups: the store's rows in each unit, ascending.
        how: the pooling.
        document_offsets: first unit of each document, and the number of units at the end.
        token_ids: (units,) what stands for token ids, e.g. `Alignment.unit_ids`.
    """

    store: ActivationStore
    groups: Groups
    how: Pooling
    document_offsets: np.ndarray
    token_ids: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.groups), self.store.shape[1]

    @property
    def hook_name(self) -> str:
        return self.store.hook_name

    def __iter__(self) -> Iterator[sparse.csr_array]:
        """Blocks of at most 4096 units, in order."""
        for start in range(0, len(self.groups), _BLOCK_UNITS):
            offsets = self.groups.offsets[start : start + _BLOCK_UNITS + 1]
            rows = self.groups.rows[offsets[0] : offsets[-1]]
            low = int(rows.min())
            block = self.store.rows(low, int(rows.max()) + 1)
            yield pool_rows(block, Groups(offsets - offsets[0], rows - low), self.how)

    def to_csr(self) -> sparse.csr_array:
        """All units in memory: 8 bytes a non-zero value."""
        return sparse.csr_array(sparse.vstack(list(self), format="csr"))
