"""A run's folder: what lies in it, and its log."""

import importlib.metadata
import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from congruence.caches import kernels_line
from congruence.errors import CongruenceError, Stopped, StorageError, quoted
from congruence.storage.atomic import write_text
from congruence.storage.lock import folder_lock
from congruence.storage.temporary import left_over, remove, temporary_beside

logger = logging.getLogger(__name__)

VERSIONS_OF = ("congruence", "torch", "transformers", "numpy", "scipy", "numba")
"""Packages on which results may depend."""


ACTIVATIONS, PAIRS = "activations", "pairs"
SHARED = f"../../{ACTIVATIONS}"
"""Where a pair of a run of several models has its activations; a file of their name says so."""


@dataclass(frozen=True)
class RunFolder:
    """The places in a run's folder."""

    path: Path

    @property
    def shares(self) -> bool:
        """Whether what was captured lies with the run of several models that this run is a pair of."""
        try:
            return (self.path / ACTIVATIONS).read_text(encoding="utf-8").strip() == SHARED
        except (OSError, ValueError):  # a folder, as a rule
            return False

    @property
    def whole(self) -> Path:
        """The folder of the run of several models that this run is a pair of; its own where it is none."""
        return self.path.parent.parent if self.shares else self.path

    @property
    def activations(self) -> Path:
        """Captured feature activations, one folder a content key."""
        return self.path / (SHARED if self.shares else ACTIVATIONS)

    @property
    def known(self) -> Path:
        """What was found out once about models, SAEs and text."""
        return self.activations / "known"

    @property
    def cells(self) -> Path:
        """Finished cells, one folder a content key."""
        return self.path / "cells"

    def pair(self, name: str) -> "RunFolder":
        """The folder of one pair of a run of several models, which captures into this run's activations.

        Raises:
            StorageError: it can't be written.
        """
        inner = open_folder(self.path / PAIRS / name)
        if not inner.shares:
            write_text(inner.path / ACTIVATIONS, f"{SHARED}\n")
        return inner

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
        raise StorageError(
            f"can't write to --out {quoted(str(path), 200)}: {error.strerror}: name another folder"
        ) from error
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
    """Append what the package logs at INFO and above to the folder's run.log, and how the block ended.

    The log begins with what runs where. Whatever ends the block early is written down: an error of the user's
    in a line, a signal, and with its traceback what nobody foresaw; such an error then carries the log's path
    as `logged_in`.

    Raises:
        StorageError: the log can't be written to.
    """
    logger = logging.getLogger("congruence")
    if folder.log.is_fifo():  # which would be waited for
        raise StorageError(f"can't write {folder.log}: it is a pipe: remove it, or name another folder")
    try:
        handler = _LogFile(folder.log, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StorageError(
            f"can't write {folder.log}: {error.strerror}: make it writable, or name another folder"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(before or logging.INFO, logging.INFO))
    try:
        handler.handle(_line(logger, logging.INFO, what_runs_where()))
        yield
    except CongruenceError as error:
        handler.handle(_line(logger, logging.ERROR, f"ended: {error}"))
        raise
    except (KeyboardInterrupt, Stopped) as error:
        handler.handle(_line(logger, logging.WARNING, f"interrupted ({str(error) or 'Ctrl-C'})"))
        raise
    except Exception as error:
        handler.handle(_line(logger, logging.CRITICAL, "ended by an error nobody foresaw", error))
        if not handler.broken:
            error.logged_in = folder.log  # type: ignore[attr-defined]
        raise
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
        handler.close()


def what_runs_where() -> str:
    """Versions, machine and process in one line."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS_OF)
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return f"{versions}, {system}; host {platform.node()}, process {os.getpid()}; {kernels_line()}"


class _LogFile(logging.FileHandler):
    """A log whose first failed write is told in one line and ends it: a full disk stops no run here."""

    broken = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.broken:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        self.broken = True
        reason = sys.exception()
        logging.getLogger("congruence").warning("%s can't be written any more: %s", self.baseFilename, reason)

    def close(self) -> None:
        try:
            super().close()
        except OSError:  # what was buffered doesn't fit on the disk
            self.broken = True


def _line(
    logger: logging.Logger, level: int, message: str, error: BaseException | None = None
) -> logging.LogRecord:
    """A record for the log alone: the terminal is told by whoever catches the error."""
    about = None if error is None else (type(error), error, error.__traceback__)
    return logger.makeRecord(logger.name, level, __file__, 0, message, (), about)
