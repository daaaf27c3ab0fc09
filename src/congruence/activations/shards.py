"""One shard: the activations of a run of tokens at one hook point, as three plain binary files.

`data.f4`, `indices.i4` and `indptr.i8` are the arrays of a CSR matrix, little-endian and without headers, so
that any part can be mapped or read by offset. A dense shard has `data.f4` alone, row after row.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from scipy import sparse

from congruence.errors import StorageError

DATA, INDICES, INDPTR = "data.f4", "indices.i4", "indptr.i8"


class ShardWriter:
    """Appends blocks to a shard's files; holds nothing but the row pointers in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._data = self._stack.enter_context((folder / DATA).open("wb"))
        self._indices = None
        self._indptr: list[np.ndarray] = [np.zeros(1, dtype="<i8")]

    def append(self, block: "sparse.csr_array | np.ndarray") -> None:
        """Add the rows of a sparse block, or of a dense one; a shard takes one sort."""
        if isinstance(block, np.ndarray):
            self._data.write(np.ascontiguousarray(block, dtype="<f4").tobytes())
            return
        if self._indices is None:
            self._indices = self._stack.enter_context((self.folder / INDICES).open("wb"))
        self._data.write(np.ascontiguousarray(block.data, dtype="<f4").tobytes())
        self._indices.write(np.ascontiguousarray(block.indices, dtype="<i4").tobytes())
        self._indptr.append(self._indptr[-1][-1] + np.asarray(block.indptr[1:], dtype="<i8"))

    def close(self) -> None:
        """Flush everything, row pointers last."""
        self._stack.close()
        if self._indices is not None:
            np.concatenate(self._indptr).astype("<i8").tofile(self.folder / INDPTR)


def shard_is_whole(folder: Path, rows: int, width: int | None) -> bool:
    """Whether a shard's files have the sizes that `rows` rows need; `width` for a dense shard."""
    try:
        data = (folder / DATA).stat().st_size
        if width is not None:
            return data == 4 * rows * width
        indptr = np.fromfile(folder / INDPTR, dtype="<i8")
        indices = (folder / INDICES).stat().st_size
    except OSError:
        return False
    return len(indptr) == rows + 1 and data == indices == 4 * indptr[-1]


def read_sparse(folder: Path, start: int, stop: int, width: int) -> sparse.csr_array:
    """Rows start to stop of a sparse shard, (stop - start, width)."""
    try:
        indptr = np.fromfile(folder / INDPTR, dtype="<i8", offset=8 * start, count=stop - start + 1)
        first, count = int(indptr[0]), int(indptr[-1] - indptr[0])
        data = np.fromfile(folder / DATA, dtype="<f4", offset=4 * first, count=count)
        indices = np.fromfile(folder / INDICES, dtype="<i4", offset=4 * first, count=count)
    except (OSError, IndexError) as error:
        raise _unreadable(folder) from error
    if len(indices) != count or len(data) != count:
        raise _unreadable(folder)
    pointers = indptr - first
    if count < 1 << 31:  # else scipy makes the indices as wide as the pointers
        pointers = pointers.astype(np.int32)
    return sparse.csr_array((data, indices, pointers), shape=(stop - start, width))


def read_dense(folder: Path, start: int, stop: int, width: int) -> np.ndarray:
    """Rows start to stop of a dense shard, (stop - start, width)."""
    try:
        count = (stop - start) * width
        data = np.fromfile(folder / DATA, dtype="<f4", offset=4 * start * width, count=count)
        return data.reshape(stop - start, width)
    except (OSError, ValueError) as error:
        raise _unreadable(folder) from error


def _unreadable(folder: Path) -> StorageError:
    return StorageError(f"shard {folder} is broken: remove it and run again, only it is computed anew")
