"""Feature activations on disk: shards of rows, with the tokens and documents they belong to."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import sparse

from congruence.activations.proofs import Proofs, stamps_of
from congruence.activations.shards import DATA, FILES_DENSE, FILES_SPARSE, open_shard, read_dense, read_sparse
from congruence.errors import InputError
from congruence.storage import (
    NotWhole,
    atomic_path,
    elsewhere,
    not_whole_unless_read,
    open_artefact,
    whole_or_none,
    write_artefact,
)

KIND, FORMAT = "activations", 2
RECORD, TOKEN_IDS, DOCUMENT_OFFSETS = "store.json", "token_ids.npy", "document_offsets.npy"
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
        arrays = {
            TOKEN_IDS: token_ids.astype(np.int32),
            DOCUMENT_OFFSETS: np.asarray(document_offsets, dtype=np.int64),
        }
        for name, array in arrays.items():
            with atomic_path(path / name) as temporary, temporary.open("wb") as handle:
                np.save(handle, array)
        shape = (int(shard_offsets[-1]), int(width))
        record = {"key": key, "hook_name": hook_name, "shape": shape, "dense": dense}
        record["shard_offsets"] = list(shard_offsets)
        write_artefact(path / RECORD, KIND, FORMAT, record, files=arrays)
        return cls(path, key, hook_name, shape, shard_offsets, dense)

    @classmethod
    def open(cls, path: Path) -> "ActivationStore":
        """The store in a folder, finished or not, its description proven to be as it was written.

        Raises:
            StorageError: there is none, it isn't whole, or another tool or version wrote it.
        """
        opened = open_artefact(path / RECORD, KIND, FORMAT)
        opened.check(TOKEN_IDS, DOCUMENT_OFFSETS)
        record = opened.record
        with not_whole_unless_read(path / RECORD):
            rows, width = map(int, record["shape"])
            offsets = tuple(map(int, record["shard_offsets"]))
            store = cls(
                path, record["key"], record["hook_name"], (rows, width), offsets, bool(record["dense"])
            )
        if offsets[:1] != (0,) or offsets[-1] != rows or list(offsets) != sorted(offsets):
            raise NotWhole(f"{path / RECORD} cuts {rows} rows at {offsets[:5]} …")
        return store

    @cached_property
    def token_ids(self) -> np.ndarray:
        """(n,) int32 token id of each row."""
        return self._array(TOKEN_IDS)

    @cached_property
    def document_offsets(self) -> np.ndarray:
        """(documents + 1,) first row of each document, and n at the end."""
        return self._array(DOCUMENT_OFFSETS)

    @property
    def n_shards(self) -> int:
        return len(self.shard_offsets) - 1

    def shard_path(self, shard: int) -> Path:
        return self.path / f"shard-{shard:05d}"

    def has_shard(self, shard: int) -> bool:
        """Whether a shard is there and as it was written; one that isn't is set aside."""
        return bool(whole_or_none(self.shard_path(shard), lambda _: self._prove(shard)))

    def wrote(self, shard: int) -> None:
        """This process has just written a shard: its checksums were taken from what it holds."""
        self._proofs.add(self.shard_path(shard).name, self._stamps(shard))

    @property
    def nbytes(self) -> int:
        """Bytes of all rows in memory: 8 a stored value, 4 where every value is stored."""
        if self.dense:
            return 4 * self.shape[0] * self.shape[1]
        files = (self.shard_path(shard) / DATA for shard in range(self.n_shards))
        return 2 * sum(file.stat().st_size for file in files if file.exists())

    def bring(self) -> None:
        """Bring here the shards that are kept elsewhere, where a run says so."""
        elsewhere.ask_all(self.shard_path(shard) for shard in range(self.n_shards))

    @property
    def finished(self) -> bool:
        """Whether all shards are there and as they were written."""
        self.bring()
        found = [self.has_shard(shard) for shard in range(self.n_shards)]
        self._proofs.keep()
        return all(found)

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
                try:
                    self._prove(shard)
                    part = read(self.shard_path(shard), low - first, high - first, self.shape[1])
                except NotWhole as error:
                    raise NotWhole(f"{error}: capture again, only this shard is computed anew") from error
                yield part

    def _prove(self, shard: int) -> bool:
        """True for a shard that is as written; it is read through unless its files are known already.

        Raises:
            NotWhole: it isn't.
        """
        folder = self.shard_path(shard)
        stamps = self._stamps(shard)
        if self._proofs.holds(folder.name, stamps):
            return True
        rows = self.shard_offsets[shard + 1] - self.shard_offsets[shard]
        open_shard(folder, self.key, shard, rows, self.shape[1] if self.dense else None).check()
        self._proofs.add(folder.name, stamps)
        return True

    def _stamps(self, shard: int) -> list[list[int]]:
        return stamps_of(self.shard_path(shard), FILES_DENSE if self.dense else FILES_SPARSE)

    @cached_property
    def _proofs(self) -> Proofs:
        return Proofs(self.path, self.key)

    def _array(self, name: str) -> np.ndarray:
        content = open_artefact(self.path / RECORD, KIND, FORMAT).read(name)
        with not_whole_unless_read(self.path / name):
            return np.load(io.BytesIO(content), allow_pickle=False)
