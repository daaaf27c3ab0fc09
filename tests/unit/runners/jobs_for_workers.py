"""Tasks that real workers do in the tests: each leaves a file, some die or fail on the way."""

import os
import signal
from pathlib import Path

from congruence.errors import InputError
from congruence.runners import Do, Task


def open_jobs(folder: str) -> Do:
    place = Path(folder)
    if (place / "closed").exists():
        raise InputError("the workplace is closed")

    def do(task: Task) -> None:
        what = task.arguments[0]
        tried = place / f"{task.name}-tried"
        first = not tried.exists()
        tried.touch()
        if what == "die" or (what == "die once" and first):
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "full" and first:
            raise MemoryError("no room for 3 GiB")
        if what == "refuse":
            raise InputError(f"{task.name} can't be used")
        if what == "break":
            raise RuntimeError("nobody foresaw this")
        (place / task.name).write_text(f"{os.getpid()}")

    return do
