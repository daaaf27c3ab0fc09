"""One shard: the activations of a run of tokens at one hook point, as three plain binary files.

`data.f4`, `indices.i4` and `indptr.i8` are the arrays of a CSR matrix, little-endian and without headers, so
that any part can be mapped or read by offset. A dense shard has `data.f4` alone, row after row. `shard.json`
says whose rows they are, with size and checksum of each file.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from scipy import sparse

from congruence.storage import Artefact, NotWhole, not_whole_unless_read, open_artefact, write_artefact

KIND, FORMAT = "activations-shard", 1
RECORD, DATA, INDICES, INDPTR = "shard.json", "data.f4", "indices.i4", "indptr.i8"
FILES_DENSE, FILES_SPARSE = (RECORD, DATA), (RECORD, DATA, INDICES, INDPTR)


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

    def close(self, key: str, shard: int) -> None:
        """Flush everything, and say last what it is.

        Args:
            key: of the store that the shard belongs to.
            shard: its number there.
        """
        self._stack.close()
        files = [DATA]
        if self._indices is not None:
            pointers = np.concatenate(self._indptr).astype("<i8")
            (self.folder / INDPTR).write_bytes(pointers.tobytes())  # numpy's tofile hides why it failed
            files += [INDICES, INDPTR]
        write_artefact(self.folder / RECORD, KIND, FORMAT, {"key": key, "shard": shard}, files=files)


def open_shard(folder: Path, key: str, shard: int, rows: int, width: int | None) -> Artefact:
    """A shard's record, of the right store and sizes.

    Args:
        folder: the shard's.
        key: of the store that it must belong to.
        shard: its number there; one that names no number, as earlier versions wrote it, is believed.
        rows: that it must hold.
        width: of a dense shard; None for a sparse one.

    Raises:
        NotWhole: it isn't.
    """
    opened = open_artefact(folder / RECORD, KIND, FORMAT)
    sizes = {name: told["bytes"] for name, told in opened.files.items()}
    if width is None:
        expected = {DATA: sizes.get(DATA), INDICES: sizes.get(DATA), INDPTR: 8 * (rows + 1)}
    else:
        expected = {DATA: 4 * rows * width}
    belongs = opened.record.get("key") == key and opened.record.get("shard", shard) == shard
    if not belongs or sizes != expected:
        raise NotWhole(f"{folder} is a shard of other activations")
    return opened


def read_sparse(folder: Path, start: int, stop: int, width: int) -> sparse.csr_array:
    """Rows start to stop of a sparse shard, (stop - start, width).

    Raises:
        NotWhole: its files can't be read, or their pointers or columns lead out of the matrix.
    """
    with not_whole_unless_read(folder):
        indptr = np.fromfile(folder / INDPTR, dtype="<i8", offset=8 * start, count=stop - start + 1)
        if len(indptr) != stop - start + 1 or indptr[0] < 0 or np.any(np.diff(indptr) < 0):
            raise NotWhole(f"{folder / INDPTR} doesn't ascend over {stop - start} rows")
        first, count = int(indptr[0]), int(indptr[-1] - indptr[0])
        if 4 * (first + count) > (folder / DATA).stat().st_size:
            raise NotWhole(f"{folder / INDPTR} leads beyond the values")
        data = np.fromfile(folder / DATA, dtype="<f4", offset=4 * first, count=count)
        indices = np.fromfile(folder / INDICES, dtype="<i4", offset=4 * first, count=count)
    if len(indices) != count or len(data) != count:
        raise NotWhole(f"{folder} holds fewer values than its rows have")
    if count and int(indices.view(np.uint32).max()) >= width:  # a negative one is large, too
        raise NotWhole(f"{folder / INDICES} names columns outside of its {width}")
    pointers = indptr - first
    if count < 1 << 31:  # else scipy makes the indices as wide as the pointers
        pointers = pointers.astype(np.int32)
    return sparse.csr_array((data, indices, pointers), shape=(stop - start, width))


def read_dense(folder: Path, start: int, stop: int, width: int) -> np.ndarray:
    """Rows start to stop of a dense shard, (stop - start, width)."""
    with not_whole_unless_read(folder):
        count = (stop - start) * width
        data = np.fromfile(folder / DATA, dtype="<f4", offset=4 * start * width, count=count)
        return data.reshape(stop - start, width)
