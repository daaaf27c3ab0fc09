"""Feature activations on disk: shards of rows, with the tokens and documents they belong to."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import sparse

from congruence.activations.shards import DATA, read_dense, read_sparse, shard_is_whole
from congruence.errors import InputError, StorageError
from congruence.storage import atomic_path, check_header, header, read_json, write_json

KIND, FORMAT = "activations", 1
_BLOCK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class ActivationStore:
    """Activations of every kept token at one hook point; a `congruence.records.FeatureActs` on disk.

    Attributes:
        path: the store's folder.
        key: content key of everything the numbers depend on.
        hook_name: as it was asked for.
        shape: (n tokens, n features).
        shard_offsets: first row of each shard, and n at the end.
        dense: whether every value is stored (raw hidden units) and not only those that aren't zero.
    """

    path: Path
    key: str
    hook_name: str
    shape: tuple[int, int]
    shard_offsets: tuple[int, ...]
    dense: bool = False

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        key: str,
        hook_name: str,
        width: int,
        shard_offsets: tuple[int, ...],
        dense: bool,
        token_ids: np.ndarray,
        document_offsets: np.ndarray,
    ) -> "ActivationStore":
        """Write down what the store will hold; its shards come one by one."""
        arrays = {"token_ids": token_ids.astype(np.int32), "document_offsets": document_offsets}
        for name, array in arrays.items():
            with atomic_path(path / f"{name}.npy") as temporary, temporary.open("wb") as handle:
                np.save(handle, array)
        shape = (int(shard_offsets[-1]), int(width))
        record = {"key": key, "hook_name": hook_name, "shape": shape, "dense": dense}
        write_json(
            path / "store.json", header(KIND, FORMAT) | record | {"shard_offsets": list(shard_offsets)}
        )
        return cls(path, key, hook_name, shape, shard_offsets, dense)

    @classmethod
    def open(cls, path: Path) -> "ActivationStore":
        """The store in a folder, finished or not.

        Raises:
            StorageError: there is none, or another tool wrote it.
        """
        record = read_json(path / "store.json")
        check_header(record, KIND, FORMAT, path)
        rows, width = record["shape"]
        offsets = tuple(record["shard_offsets"])
        return cls(path, record["key"], record["hook_name"], (rows, width), offsets, record["dense"])

    @cached_property
    def token_ids(self) -> np.ndarray:
        """(n,) int32 token id of each row."""
        return self._array("token_ids")

    @cached_property
    def document_offsets(self) -> np.ndarray:
        """(documents + 1,) first row of each document, and n at the end."""
        return self._array("document_offsets")

    @property
    def n_shards(self) -> int:
        return len(self.shard_offsets) - 1

    def shard_path(self, shard: int) -> Path:
        return self.path / f"shard-{shard:05d}"

    def has_shard(self, shard: int) -> bool:
        """Whether a shard is there and whole."""
        rows = self.shard_offsets[shard + 1] - self.shard_offsets[shard]
        return shard_is_whole(self.shard_path(shard), rows, self.shape[1] if self.dense else None)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows in memory: 8 a stored value, 4 where every value is stored."""
        if self.dense:
            return 4 * self.shape[0] * self.shape[1]
        files = (self.shard_path(shard) / DATA for shard in range(self.n_shards))
        return 2 * sum(file.stat().st_size for file in files if file.exists())

    @property
    def finished(self) -> bool:
        return all(self.has_shard(shard) for shard in range(self.n_shards))

    def __iter__(self) -> Iterator[sparse.csr_array]:
        """Blocks of at most 8192 rows, in order."""
        for shard in range(self.n_shards):
            start, stop = self.shard_offsets[shard : shard + 2]
            for row in range(start, stop, _BLOCK_ROWS):
                yield self.rows(row, min(row + _BLOCK_ROWS, stop))

    def rows(self, start: int, stop: int) -> sparse.csr_array:
        """Rows start to stop, from whichever shards hold them."""
        parts = [sparse.csr_array(part) for part in self._parts(start, stop)]
        if not parts:
            return sparse.csr_array((0, self.shape[1]), dtype=np.float32)
        return parts[0] if len(parts) == 1 else sparse.csr_array(sparse.vstack(parts, format="csr"))

    def to_csr(self) -> sparse.csr_array:
        """All rows in memory: 8 bytes a non-zero value."""
        return self.rows(0, self.shape[0])

    def to_dense(self) -> np.ndarray:
        """All rows in memory, zeros included: 4 × n × features bytes. For raw hidden units."""
        parts = [np.asarray(p if self.dense else p.toarray()) for p in self._parts(0, self.shape[0])]
        return np.concatenate(parts) if parts else np.zeros(self.shape, dtype=np.float32)

    def _parts(self, start: int, stop: int) -> Iterator:
        if not 0 <= start <= stop <= self.shape[0]:
            raise InputError(f"rows {start} to {stop} aren't in {self.path}: it has {self.shape[0]}")
        read = read_dense if self.dense else read_sparse
        for shard in range(self.n_shards):
            first, end = self.shard_offsets[shard : shard + 2]
            low, high = max(start, first), min(stop, end)
            if low < high:
                yield read(self.shard_path(shard), low - first, high - first, self.shape[1])

    def _array(self, name: str) -> np.ndarray:
        try:
            return np.load(self.path / f"{name}.npy")
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.path}/{name}.npy can't be read: remove {self.path}") from error
