"""A worker in a process of its own: takes tasks from the process that started it, and ends with that."""

import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from congruence.errors import CongruenceError
from congruence.runners.base import Do, Opening, Task


class Records(logging.Handler):
    """Keeps what the package logs while a task is done, for the run's log elsewhere."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.taken: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.taken.append((record.name, record.levelno, record.getMessage()))

    def take(self) -> list[tuple[str, int, str]]:
        """What came since the last time."""
        taken, self.taken = self.taken, []
        return taken


def collecting() -> Records:
    """A handler of the package's log, at work."""
    records = Records()
    package = logging.getLogger("congruence")
    package.addHandler(records)
    package.setLevel(logging.INFO)
    package.propagate = False
    return records


def log_again(taken: Sequence[tuple[str, int, str]], worker: str) -> None:
    """Log here what a worker logged."""
    for name, level, message in taken:
        logging.getLogger(name).log(level, "%s: %s", worker, message)


def attempt(do: Do, task: Task) -> tuple[str, Any]:
    """Do a task: ("done", None), ("error", an error of ours), ("died", why) or ("broken", a traceback)."""
    try:
        do(task)
    except CongruenceError as error:
        return "error", error
    except MemoryError as error:
        return "died", f"out of memory: {error}" if str(error) else "out of memory"
    except Exception:
        return "broken", traceback.format_exc()
    return "done", None


def main(handle: int, parent: int) -> None:
    """Serve until the other end says that it is enough, or is gone.

    Args:
        handle: of the pipe to the process that started this one.
        parent: that process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this decides
    _end_with(parent)
    with Connection(handle) as connection:
        _serve(connection)


def _serve(connection: Connection) -> None:
    records = collecting()
    do: Do | None = None
    opening: Opening = connection.recv()
    connection.send(os.getpid())
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task is None:
            return
        try:
            do = do or opening.open()
        except CongruenceError as error:
            outcome = "error", error
        except Exception:
            outcome = "broken", traceback.format_exc()
        else:
            outcome = attempt(do, task)
        try:
            connection.send((*outcome, records.take()))
        except OSError:
            return


def _end_with(parent: int) -> None:
    """End at once when the process that started this one has: nobody waits for what is computed here."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()
