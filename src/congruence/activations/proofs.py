"""Which shards are known to be as they were written: each is read through once, not once a start.

A shard whose checksums were right is known by the stamps of its files (size, times, number). While those
stay as they are it isn't read through again: by this process, or by a later one that finds them noted down.
"""

import contextlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from congruence.errors import StorageError
from congruence.storage import NotWhole, open_artefact, whole_or_none, write_artefact
from congruence.storage.stamps import file_stamp, settled

KIND, FORMAT = "activations-proofs", 1
RECORD = ".proofs.json"


class Proofs:
    """The proven shards of a store.

    Args:
        folder: the store's.
        key: the store's.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.place, self.key = folder / RECORD, key
        self._changed = False

    def holds(self, shard: str, stamps: Sequence[list[int]]) -> bool:
        """Whether a shard was proven under these stamps."""
        return self._known.get(shard) == stamps

    def add(self, shard: str, stamps: Sequence[list[int]]) -> None:
        """Its checksums were right, or this process wrote it, when its files had these stamps."""
        self._known[shard] = list(stamps)
        self._changed = True

    def keep(self) -> None:
        """Write down what was proven, for later starts; where that can't be they prove it again."""
        if not self._changed:
            return
        lasting = {shard: stamps for shard, stamps in self._known.items() if all(map(settled, stamps))}
        if lasting:
            with contextlib.suppress(StorageError):
                write_artefact(self.place, KIND, FORMAT, {"key": self.key, "shards": lasting})
        self._changed = len(lasting) < len(self._known)

    @cached_property
    def _known(self) -> dict[str, Any]:
        kept = whole_or_none(self.place, lambda place: open_artefact(place, KIND, FORMAT))
        return {} if kept is None or kept.record.get("key") != self.key else dict(kept.record["shards"])


def stamps_of(folder: Path, names: Sequence[str]) -> list[list[int]]:
    """Stamps of a shard's files.

    Raises:
        NotWhole: one isn't there.
    """
    try:
        return [file_stamp(folder / name) for name in names]
    except OSError as error:
        raise NotWhole(f"{error.filename or folder} can't be read ({error.strerror})") from error
