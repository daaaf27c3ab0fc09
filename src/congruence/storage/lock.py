"""One process at a time writes into a folder. The lock dies with its process, whatever ends it."""

import contextlib
import datetime
import errno
import importlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from congruence.errors import StorageError

logger = logging.getLogger(__name__)

NAME = ".lock"
_EACH = 0.2
"""Seconds between two tries."""
_SAY_AGAIN = 300
"""Seconds after which a waiting process says so again."""
_HELD = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK)
_FAR = 1 << 30
"""Byte of the lock's file that is locked where bytes are."""


@contextlib.contextmanager
def folder_lock(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder; who finds it held says by whom, and waits until it is free.

    Where the file system has no locks that is said and the block runs without: everything is published by
    renaming all the same, so that two processes at worst do the same work twice.

    Args:
        folder: an existing folder.
        wait: False: refuse instead.

    Yields:
        Whether the lock is held.

    Raises:
        StorageError: the lock can't be opened, or is held and `wait` is False.
    """
    place = folder / NAME
    handle = _open(place)
    try:
        held = _take(handle, place, wait)
        if held:
            _sign(handle)
        yield held
    finally:
        os.close(handle)  # which gives the lock back


def is_held(folder: Path) -> bool:
    """Whether another process writes into a folder; nothing is written to tell it."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(folder / NAME, flags)
    except OSError:
        return False
    try:
        _lock(handle, shared=True)
    except OSError as error:
        return error.errno in _HELD
    finally:
        os.close(handle)
    return False


def holder(folder: Path) -> str:
    """Who wrote the lock last, in words."""
    try:
        if not (folder / NAME).is_file():
            return "another process"
        record = json.loads((folder / NAME).read_text(encoding="utf-8"))
        process, host, since = int(record["process"]), str(record["host"]), str(record["since"])
        return f"process {process} on {host[:80]} since {since[:25]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _open(place: Path) -> int:
    """The lock's file; another user's is opened for reading, which is enough to hold it."""
    follow = getattr(os, "O_NOFOLLOW", 0)
    try:
        try:
            return os.open(place, os.O_RDWR | os.O_CREAT | follow, 0o666)
        except PermissionError:
            return os.open(place, os.O_RDONLY | follow)
    except OSError as error:
        raise StorageError(f"can't open {place}: {error.strerror}: remove it or make room") from error


def _take(handle: int, place: Path, wait: bool) -> bool:
    said = -float(_SAY_AGAIN)
    while True:
        try:
            _lock(handle)
            return True
        except OSError as error:
            if error.errno not in _HELD:
                logger.warning(
                    "%s has no locks (%s): don't start two runs in it at once", place.parent, error.strerror
                )
                return False
        who = f"{place.parent} is in use by {holder(place.parent)}"
        if not wait:
            raise StorageError(f"{who}: try again when it has ended")
        if time.monotonic() - said >= _SAY_AGAIN:
            logger.warning("%s: waiting until it has ended (Ctrl-C stops waiting)", who)
            said = time.monotonic()
        time.sleep(_EACH)


def _sign(handle: int) -> None:
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    record = {"host": socket.gethostname(), "process": os.getpid(), "since": now}
    with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(record).encode())


def _lock_posix(handle: int, *, shared: bool = False) -> None:
    import fcntl

    fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _lock_windows(handle: int, *, shared: bool = False) -> None:
    """Windows locks bytes, and nobody else can read those: one far behind the text stands for the file.

    There is no shared lock: who only asks whether it is held holds it for that moment.
    """
    msvcrt: Any = importlib.import_module("msvcrt")
    os.lseek(handle, _FAR, os.SEEK_SET)
    msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)


_lock = _lock_windows if os.name == "nt" else _lock_posix
"""Locks an open file without waiting; an `OSError` with an `errno` of `_HELD` says that another holds it."""
