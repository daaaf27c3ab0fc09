"""How a command ends: signals as an orderly stop, and one line with an exit code for everything else."""

import contextlib
import datetime
import errno
import math
import os
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from congruence.errors import CongruenceError, Stopped, shortened

AGAIN = "run the same command again to go on from here"
UNFORESEEN, USERS, INTERRUPTED = 1, 2, 130
TIDYING_SECONDS = 10.0
_OF_THE_MACHINE = {
    errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE,
    errno.ENOMEM, errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip
"""Errors of files that no care of ours prevents."""


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind like Ctrl-C: nothing half-written stays. One that is ignored stays so."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, stop = {}, _Stop()
    for number in (signal.Signals[name] for name in names):
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None):
            before[number] = handler
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Stop:
    """Raises at the first signal; those right after it must not disturb the tidying up."""

    first: float = -math.inf

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self.first < TIDYING_SECONDS:
            return
        self.first = time.monotonic()
        raise Stopped(number)


def ending(error: BaseException) -> tuple[str, int]:
    """The line and the exit code of whatever ended a command."""
    if isinstance(error, click.exceptions.Abort) and isinstance(error.__cause__, EOFError):
        error = error.__cause__  # click takes every EOFError for a terminal that closed
    message, code = _message_and_code(error)
    return "".join(c if c.isprintable() else " " for c in " ".join(shortened(message).split())), code


def _message_and_code(error: BaseException) -> tuple[str, int]:
    match error:
        case Stopped():
            return f"stopped by {error.name}: {AGAIN}", 128 + error.number
        case KeyboardInterrupt() | click.exceptions.Abort():
            return f"interrupted: {AGAIN}", INTERRUPTED
        case CongruenceError():
            return f"error: {error}", USERS
        case MemoryError():
            told = f" ({error})" if str(error) else ""
            return (
                f"error: memory ran out{told}: compare fewer documents or layers at a time{_kept(error)}",
                USERS,
            )
        case OSError() if error.errno in _OF_THE_MACHINE:
            where = f"{error.filename}: " if error.filename else ""
            return f"error: {where}{error.strerror}: make room or rights, and {AGAIN}{_kept(error)}", USERS
        case _:
            what = f"{type(error).__name__}: {error}"
            what = what if len(what) <= 300 else what[:297] + "..."
            return f"error: this went wrong in congruence itself: {what}{_kept(error)}", UNFORESEEN


def _kept(error: BaseException) -> str:
    """Where the traceback is: the run's log, or a file of its own."""
    where = getattr(error, "logged_in", None) or _written(error)
    return f"; its traceback is in {where}" if where else ""


def _written(error: BaseException) -> Path | None:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    try:
        handle, name = tempfile.mkstemp(prefix=f"congruence-error-{now}-", suffix=".log", text=True)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return None
    return Path(name)
