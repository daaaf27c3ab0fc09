"""Activations of training text on disk: written once, proven when read, and no more than may be kept.

FOLDER/KEY/000012/acts.safetensors    one portion of the text at one hook point, in the model's own type
                  portion.json        its record
"""

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from congruence.errors import StorageError
from congruence.storage import (
    atomic_folder,
    not_whole_unless_read,
    open_artefact,
    tensors_written,
    whole_or_none,
    write_artefact,
)

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

KIND, FORMAT = "training-activations", 1
LEFT_FREE = 2**30
"""Bytes of the disk that are left to checkpoints and everything else."""
_RECORD, _ACTS = "portion.json", "acts.safetensors"


@dataclass
class KeptActivations:
    """A folder of portions of activations.

    Attributes:
        folder: where they lie; several processes may share it.
        limit: bytes that all of them may take.
    """

    folder: Path
    limit: float
    _keeps: bool = field(default=True, init=False)
    _taken: int | None = field(default=None, init=False)

    def read(self, key: str, number: int) -> "torch.Tensor | None":
        """(n, d) activations of a portion as they were captured; None where they aren't there whole."""
        return whole_or_none(self.folder / _name(key, number), lambda place: _read(place, key, number))

    def keep(self, key: str, number: int, acts: "torch.Tensor") -> None:
        """Write a portion down where there is room; where there is none is said once."""
        size = acts.numel() * acts.element_size()
        if not self._keeps or not self._has_room(size):
            return
        try:
            _write(self.folder / _name(key, number), key, number, acts)
        except StorageError as error:
            self._stop(str(error))
        else:
            self._taken = self._bytes() + size

    def _has_room(self, size: int) -> bool:
        if self._bytes() + size > self.limit:
            self._stop(
                f"{self.folder} holds {self._bytes() / 1e9:.3g} GB, and keep_gb allows {self.limit / 1e9:g}"
            )
        elif _free(self.folder) < size + LEFT_FREE:
            self._stop(f"the disk of {self.folder} is nearly full")
        return self._keeps

    def _stop(self, reason: str) -> None:
        self._keeps = False
        if self.limit > 0:
            logger.warning("%s: further activations are captured again whenever they are needed", reason)

    def _bytes(self) -> int:
        """Bytes that the folder's portions take, others' as seen when this process first asked."""
        if self._taken is None:
            self._taken = sum(path.stat().st_size for path in self.folder.glob(f"*/*/{_ACTS}"))
        return self._taken


def _name(key: str, number: int) -> str:
    return f"{key}/{number:06d}"


def _write(place: Path, key: str, number: int, acts: "torch.Tensor") -> None:
    from safetensors.torch import save_file

    with atomic_folder(place) as temporary:
        with tensors_written(place):
            save_file({"acts": acts.contiguous()}, temporary / _ACTS)
        write_artefact(temporary / _RECORD, KIND, FORMAT, {}, files=[_ACTS], place=_name(key, number))


def _read(place: Path, key: str, number: int) -> "torch.Tensor":
    from safetensors.torch import load_file

    open_artefact(place / _RECORD, KIND, FORMAT, place=_name(key, number)).check()
    with not_whole_unless_read(place):
        return load_file(place / _ACTS)["acts"]


def _free(folder: Path) -> int:
    there = next(path for path in [folder, *folder.parents] if path.exists())
    return shutil.disk_usage(there).free
