"""A shard that takes long, written in parts: a killed capture loses the last part at most.

Parts lie beside the shard under names of their own, end where a batch ends, and are joined when the shard is
done. The joined files are those that one go would have written: what is read doesn't depend on the clock.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from congruence.activations.shards import ShardWriter, open_shard, read_dense, read_sparse
from congruence.activations.store import ActivationStore
from congruence.storage import NotWhole, atomic_folder, elsewhere

PART_SECONDS = 30.0
"""A part is closed after the batch with which it has taken this long."""
STOP = "stop"
"""File in a part that says with which row of the corpus it ends."""
_BLOCK_ROWS = 8192


@dataclass(frozen=True)
class Parts:
    """The parts of one shard of one store.

    Attributes:
        store: which.
        shard: its number.
        kept: (corpus rows of the shard,) how many tokens of each are kept.
    """

    store: ActivationStore
    shard: int
    kept: np.ndarray

    @property
    def folder(self) -> Path:
        """Holds the parts, while there are any."""
        return self.store.path / f"parts-{self.shard:05d}"

    def place(self, first: int) -> Path:
        """The part that begins with a row of the corpus, counted from the shard's first."""
        return self.folder / f"from-{first:06d}"

    def ends(self) -> list[int]:
        """Where whole parts end that follow one another from the first row on; 0 is always among them."""
        ends = [0]
        while (stop := self._stop(ends[-1])) is not None:
            ends.append(stop)
        return ends

    def forget_after(self, end: int) -> None:
        """Remove every part that isn't among those up to `end`."""
        kept = {self.place(first).name for first in self.ends() if first < end}
        for path in self.folder.glob("*"):
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def join(self) -> None:
        """Make the shard of its parts, unless another process has, and remove them."""
        ends, path = self.ends(), self.store.shard_path(self.shard)
        if len(ends) == 2 and not path.exists():
            (self.place(0) / STOP).unlink()
            os.replace(self.place(0), path)
            elsewhere.offer(path)
        elif len(ends) > 2:
            with atomic_folder(path) as temporary:
                self._copy(ends, temporary)
        self.remove()

    def remove(self) -> None:
        """Remove all parts, where there are any."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _copy(self, ends: list[int], folder: Path) -> None:
        read = read_dense if self.store.dense else read_sparse
        writer = ShardWriter(folder)
        for first, stop in pairwise(ends):
            rows = self._tokens(first, stop)
            for start in range(0, rows, _BLOCK_ROWS):
                end = min(start + _BLOCK_ROWS, rows)
                writer.append(read(self.place(first), start, end, self.store.shape[1]))
        writer.close(self.store.key, self.shard)

    def _stop(self, first: int) -> int | None:
        """Where the part that begins at a row ends; None where there is none, or it isn't whole."""
        place = self.place(first)
        try:
            stop = int((place / STOP).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        width = self.store.shape[1] if self.store.dense else None
        if not first < stop <= len(self.kept):
            return None
        try:
            open_shard(place, self.store.key, self.shard, self._tokens(first, stop), width).check()
        except NotWhole:
            return None
        return stop

    def _tokens(self, first: int, stop: int) -> int:
        return int(self.kept[first:stop].sum())


def begun(parts: Sequence[Parts]) -> int:
    """The row up to which all of some stores have parts; those beyond it are removed."""
    end = max(set.intersection(*(set(part.ends()) for part in parts)))
    for part in parts:
        part.forget_after(end)
    return end
