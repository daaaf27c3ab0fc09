"""A run's folder: what lies in it, and its log."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from congruence.errors import StorageError
from congruence.storage import generations
from congruence.storage.lock import folder_lock
from congruence.storage.temporary import left_over, remove, temporary_beside

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """The places in a run's folder."""

    path: Path

    @property
    def activations(self) -> Path:
        """Captured feature activations, one folder a content key."""
        return self.path / "activations"

    @property
    def known(self) -> Path:
        """What was found out once about models, SAEs and text."""
        return self.activations / "known"

    @property
    def cells(self) -> Path:
        """Finished cells, one folder a content key."""
        return self.path / "cells"

    @property
    def generations(self) -> Path:
        """What was published, one folder a configuration."""
        return self.path / generations.FOLDER

    @property
    def log(self) -> Path:
        """What was computed and what was found finished, appended by every start."""
        return self.path / "run.log"


def open_folder(path: Path) -> RunFolder:
    """Make the folder and prove that it can be written to.

    Raises:
        StorageError: it can't, in one line.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = temporary_beside(path / "writable")
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # follows no link
        probe.unlink()
    except OSError as error:
        raise StorageError(f"can't write to --out {path}: {error.strerror}: name another folder") from error
    return RunFolder(path)


@contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Hold the folder while writing into it; what dead processes left in it, on any machine, goes first.

    Another process that wants it waits, and says for whom.
    """
    with folder_lock(folder.path) as alone:
        for path in [*left_over(folder.path, alone=alone)]:
            logger.info("removing %s, left by a process that was killed", path.relative_to(folder.path))
            remove(path)
        yield


@contextmanager
def run_log(folder: RunFolder) -> Iterator[None]:
    """Append what the package logs at INFO and above to the folder's run.log."""
    logger = logging.getLogger("congruence")
    handler = logging.FileHandler(folder.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(before or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
        handler.close()
