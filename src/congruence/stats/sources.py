"""Activations of any accepted kind, read as canonical CSR blocks of the tokens kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from scipy import sparse

from congruence.errors import InputError
from congruence.records import FeatureActs

_BLOCK_TOKENS = 65_536
_DENSE_BLOCK_VALUES = 1 << 25


@runtime_checkable
class Source(Protocol):
    """Where activations come from: the kept tokens in order, as often as asked."""

    @property
    def n(self) -> int: ...

    @property
    def n_features(self) -> int: ...

    @property
    def dense(self) -> Any:
        """The dense matrix behind it, or None."""

    def blocks(self) -> Iterator[tuple[np.ndarray, sparse.csr_array]]:
        """(row numbers, canonical CSR block), in order."""
        ...

    def dense_blocks(self, rows: int) -> Iterator[np.ndarray]:
        """The same tokens as dense float32 or float64 blocks of `rows` tokens, the last one shorter."""
        ...


@dataclass(frozen=True)
class CsrSource:
    """A CSR matrix in memory. `kept` holds the rows to read; None reads all."""

    matrix: sparse.csr_array
    kept: np.ndarray | None
    dense: None = None

    @property
    def n(self) -> int:
        return shape_of(self.matrix)[0] if self.kept is None else len(self.kept)

    @property
    def n_features(self) -> int:
        return shape_of(self.matrix)[1]

    def blocks(self) -> Iterator[tuple[np.ndarray, sparse.csr_array]]:
        """(row numbers, CSR block), in order."""
        if self.kept is None:
            yield np.arange(self.n), self.matrix
            return
        for start in range(0, self.n, _BLOCK_TOKENS):
            rows = self.kept[start : start + _BLOCK_TOKENS]
            yield rows, self.matrix[rows]

    def dense_blocks(self, rows: int) -> Iterator[np.ndarray]:
        """The same tokens as dense blocks of `rows` tokens, the last one shorter."""
        yield from densified(self, rows)


@dataclass(frozen=True)
class StreamSource:
    """Stored activations read block by block; `mask` (n,) says which rows to keep, None keeps all."""

    acts: FeatureActs
    mask: np.ndarray | None
    dense: None = None

    @property
    def n(self) -> int:
        return self.acts.shape[0] if self.mask is None else int(np.count_nonzero(self.mask))

    @property
    def n_features(self) -> int:
        return self.acts.shape[1]

    def blocks(self) -> Iterator[tuple[np.ndarray, sparse.csr_array]]:
        """(row numbers, CSR block), in order."""
        start = 0
        for block in self.acts:
            rows = np.arange(start, start + shape_of(block)[0])
            start += len(rows)
            if self.mask is not None:
                keep = self.mask[rows]
                yield rows[keep], canonical(block[keep])
            else:
                yield rows, canonical(block)
        if start != self.acts.shape[0]:
            raise InputError(
                f"activations say {self.acts.shape[0]} tokens but hold {start}: capture them again"
            )

    def dense_blocks(self, rows: int) -> Iterator[np.ndarray]:
        """The same tokens as dense blocks of `rows` tokens, the last one shorter."""
        yield from densified(self, rows)


@dataclass(frozen=True)
class DenseSource:
    """A dense numpy array or torch tensor (n, f). `kept` holds the rows to read; None reads all."""

    dense: Any
    kept: np.ndarray | None

    @property
    def n(self) -> int:
        return self.dense.shape[0] if self.kept is None else len(self.kept)

    @property
    def n_features(self) -> int:
        return self.dense.shape[1]

    def blocks(self) -> Iterator[tuple[np.ndarray, sparse.csr_array]]:
        """(row numbers, CSR block), in order."""
        step = max(1, _DENSE_BLOCK_VALUES // max(1, self.n_features))
        for run in self._runs(step):
            rows = np.arange(run.start, run.stop) if isinstance(run, slice) else run
            yield rows, sparse.csr_array(to_numpy(self.dense[run]))

    def dense_blocks(self, rows: int) -> Iterator[np.ndarray]:
        """The same tokens as dense blocks of `rows` tokens, the last one shorter."""
        for run in self._runs(rows):
            yield to_numpy(self.dense[run])

    def _runs(self, step: int) -> Iterator[np.ndarray | slice]:
        for start in range(0, self.n, step):
            stop = min(start + step, self.n)
            yield slice(start, stop) if self.kept is None else self.kept[start:stop]


def densified(source: Source, rows: int) -> Iterator[np.ndarray]:
    """A source's CSR blocks as dense blocks of `rows` tokens, the last one shorter."""
    waiting: list[np.ndarray] = []
    held = 0
    for tokens, block in source.blocks():
        start = 0
        while start < len(tokens):
            stop = min(len(tokens), start + rows - held)
            waiting.append(block[start:stop].toarray())
            held += stop - start
            start = stop
            if held == rows:
                yield np.concatenate(waiting)
                waiting, held = [], 0
    if held:
        yield np.concatenate(waiting)


def open_source(acts: Any, mask: np.ndarray | None = None) -> Source:
    """Wrap activations: scipy sparse, stored shards (FeatureActs), or a dense numpy / torch matrix.

    Args:
        acts: (n, f) activations.
        mask: (n,) bool, the tokens to keep.

    Raises:
        InputError: not a matrix of an accepted kind, or `mask` doesn't fit it.
    """
    shape = getattr(acts, "shape", None)
    if shape is None or len(shape) != 2:
        raise InputError(
            f"activations are {type(acts).__name__} with shape {shape}: give a scipy sparse matrix, stored "
            "activations, or a dense array of (tokens, features)"
        )
    mask = None if mask is None else checked_mask(mask, shape[0])
    kept = None if mask is None else np.flatnonzero(mask)
    if sparse.issparse(acts):
        check_bounds(acts)
        return CsrSource(canonical(sparse.csr_array(acts)), kept)
    if str(getattr(acts, "layout", "torch.strided")) != "torch.strided":
        raise InputError(
            f"activations are a tensor of layout {acts.layout}: give acts.to_dense() or a scipy CSR matrix"
        )
    if isinstance(acts, np.ndarray) or type(acts).__module__.partition(".")[0] == "torch":
        return DenseSource(acts, kept)
    if isinstance(acts, FeatureActs):
        return StreamSource(acts, mask)
    raise InputError(f"activations are {type(acts).__name__}: give a scipy sparse matrix or a dense array")


def check_bounds(block: Any) -> None:
    """See that a compressed matrix' pointers and indices stay inside it, as compiled loops take for granted.

    Raises:
        InputError: they don't.
    """
    if block.format not in ("csr", "csc"):
        return
    pointers, indices = block.indptr, block.indices
    lines, width = block.shape if block.format == "csr" else block.shape[::-1]
    if len(pointers) != lines + 1 or pointers[0] != 0 or np.any(np.diff(pointers) < 0):
        raise InputError(f"activations have an indptr that doesn't ascend from 0 over {lines} rows")
    if pointers[-1] > min(len(indices), len(block.data)):
        raise InputError(f"activations have an indptr that ends at {pointers[-1]}, beyond their values")
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < width:
        raise InputError(
            f"activations name columns {indices.min()} to {indices.max()}: they have columns 0 to {width - 1}"
        )


def canonical(block: sparse.csr_array) -> sparse.csr_array:
    """The block with sorted, unique int32 columns, no stored zeros, and floating values; copies if needed."""
    check_bounds(block)
    data = _floating(block.data)
    indices = block.indices.astype(np.int32, copy=False)
    clean = sparse.csr_array((data, indices, block.indptr), shape=block.shape)
    if not clean.has_canonical_format:
        clean = clean.copy()
        clean.sum_duplicates()
    if np.count_nonzero(clean.data) != clean.nnz:
        clean = clean.copy()
        clean.eliminate_zeros()
    return clean


def shape_of(block: sparse.csr_array) -> tuple[int, int]:
    """(tokens, features); scipy's own annotation allows None."""
    return cast(tuple[int, int], block.shape)


def to_numpy(values: Any) -> np.ndarray:
    """A dense block as a numpy float32 or float64 array."""
    if not isinstance(values, np.ndarray):
        values = values.detach().float() if values.dtype.itemsize < 4 else values.detach()
        values = values.cpu().numpy()
    return _floating(values)


def _floating(values: np.ndarray) -> np.ndarray:
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype.kind not in "fiub":
        raise InputError(f"activations have dtype {values.dtype}: give real numbers, such as float32")
    return values.astype(np.float32 if values.dtype in (np.float16, np.bool_) else np.float64)


def checked_mask(mask: np.ndarray, n: int) -> np.ndarray:
    """The mask, if it has one boolean entry a token.

    Raises:
        InputError: it hasn't.
    """
    mask = np.asarray(mask)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        raise InputError(
            f"mask has dtype {mask.dtype} and shape {mask.shape}: give a boolean array of shape ({n},), "
            "one entry a token"
        )
    return mask
