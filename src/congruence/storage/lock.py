"""One process at a time writes into a folder. The lock dies with its process, whatever ends it."""

import contextlib
import datetime
import errno
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from congruence.errors import StorageError

logger = logging.getLogger(__name__)

NAME = ".lock"
_EACH = 0.2
"""Seconds between two tries."""
_SAY_AGAIN = 300
"""Seconds after which a waiting process says so again."""
_HELD = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)


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
        import fcntl

        handle = os.open(folder / NAME, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except (ImportError, OSError):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD
    finally:
        os.close(handle)
    return False


def holder(folder: Path) -> str:
    """Who wrote the lock last, in words."""
    try:
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
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    said = -float(_SAY_AGAIN)
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        os.pwrite(handle, json.dumps(record).encode(), 0)
