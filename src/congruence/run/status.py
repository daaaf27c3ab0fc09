"""How far a run is, told by its folder alone: whoever works there writes it down, anybody may read it."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from congruence.errors import CongruenceError, Stopped, StorageError
from congruence.progress import in_words
from congruence.run.remote import NOTE_EVERY, remote_status
from congruence.storage import NotWhole, open_artefact, write_artefact
from congruence.storage.artefact import unsealed_record
from congruence.storage.lock import is_held
from congruence.storage.objects import is_url, normal_url

KIND, FORMAT = "run-status", 1
NAME = "status.json"
EVERY = 5.0
"""Seconds between two notes."""
STATES = ("running", "finished", "stopped", "failed", "dead")
SILENT_FOR = 60.0
"""Seconds after which a run that has noted nothing is taken for dead, unless its folder is held."""


@dataclass
class Noted:
    """A `Progress` that notes in a run's folder how far its work is.

    Args:
        folder: the run's.
        also: called with the note's path, and `last` where none will follow.
    """

    folder: Path
    also: Callable[..., object] | None = None
    _stages: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _written: float = field(init=False, default=-EVERY)
    _started: float = field(init=False, default_factory=time.time)

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """Note how far a task is; to disk every few seconds."""
        now = time.time()
        with self._lock:
            stage = self._stages.setdefault(task, {"name": task, "began": now, "before": done})
            if total < 0:
                del self._stages[task]
                return
            stage |= {"done": done, "total": total, "unit": unit, "at": now}
            due = time.monotonic() - self._written >= EVERY
        if due:
            self.write("running")

    def write(self, state: str, error: str | None = None) -> None:
        """Note it on disk; where that can't be, the work goes on."""
        with self._lock:
            self._written = time.monotonic()
            record = {
                "state": state,
                "host": socket.gethostname(),
                "process": os.getpid(),
                "began": self._started,
                "at": time.time(),
                "stages": list(self._stages.values()),
                "error": error,
            }
        with contextlib.suppress(StorageError):
            write_artefact(self.folder / NAME, KIND, FORMAT, record)
            if self.also is not None:
                self.also(self.folder / NAME, last=state != "running")


@contextmanager
def noted(folder: Path, also: Callable[..., object] | None = None) -> Iterator[Noted]:
    """Note in a run's folder what is done in this block, and how it ends; `also` as for `Noted`."""
    notes, over = Noted(folder, also), threading.Event()

    def beat() -> None:
        while not over.wait(EVERY):
            notes.write("running")

    notes.write("running")
    thread = threading.Thread(target=beat, name="note status", daemon=True)
    thread.start()
    state, error = "finished", None
    try:
        yield notes
    except (KeyboardInterrupt, Stopped) as reason:
        state, error = "stopped", str(reason) or "Ctrl-C"
        raise
    except CongruenceError as reason:
        state, error = "failed", str(reason)
        raise
    except BaseException as reason:
        state, error = "failed", f"{type(reason).__name__}: {reason}"
        raise
    finally:
        over.set()
        thread.join()
        notes.write(state, error)


def status_of(folder: "Path | str") -> dict[str, Any]:
    """What is noted of a run, and whether anybody works on it.

    Args:
        folder: the run's, or its URL: then it is read from object storage alone.

    Returns:
        `state` (running, finished, stopped, failed, or dead: it ended without a word), `host`, `process`,
        `began`, `at` (seconds since 1970), `error`, and `stages`: name, done, total, unit, began, at.

    Raises:
        StorageError: nothing is noted there.
    """
    if isinstance(folder, str) and is_url(folder):
        folder = normal_url(folder, "the run")
    if isinstance(folder, str) and is_url(folder):
        place, content = remote_status(folder)
        record = unsealed_record(f"{place}/{NAME}", content, KIND, FORMAT)
        if not _is_told(record):
            raise StorageError(f"{place}/{NAME} isn't what a run notes: start the run again")
        silent = time.time() - record["at"] > SILENT_FOR + NOTE_EVERY
        return {**record, "state": "dead" if record["state"] == "running" and silent else record["state"]}
    folder = Path(folder)
    if not (folder / NAME).is_file():
        raise StorageError(f"{folder} has no {NAME}: give the folder of a run (--out of `congruence run`)")
    try:
        record = dict(open_artefact(folder / NAME, KIND, FORMAT).record)
    except NotWhole as error:
        raise StorageError(f"{error}: start the run again, which notes it anew") from error
    if not _is_told(record):
        raise StorageError(f"{folder / NAME} isn't what a run notes: start the run again")
    if record["state"] == "running" and not is_held(folder) and time.time() - record["at"] > SILENT_FOR:
        record["state"] = "dead"
    return record


def _is_told(record: dict[str, Any]) -> bool:
    """Whether a record holds all that `in_lines` reads."""
    numbers = [record.get("began"), record.get("at")]
    stages = record.get("stages")
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        return False
    numbers += [stage.get(name) for stage in stages for name in ("done", "total", "before", "began", "at")]
    named = [record.get("state"), *(stage.get("name") for stage in stages)]
    return (
        all(isinstance(number, int | float) for number in numbers)
        and all(isinstance(name, str) for name in named)
        and record["state"] in STATES
    )


def in_lines(folder: "Path | str", record: dict[str, Any], now: float | None = None) -> list[str]:
    """The same for people."""
    now = time.time() if now is None else now
    who = f"process {record['process']} on {record['host']}"
    passed = in_words(max(0.0, record["at"] - record["began"]))
    told = in_words(max(0.0, now - record["at"]))
    first = {
        "running": f"running for {passed}: {who}, last heard of {told} ago",
        "finished": f"finished {told} ago, after {passed}: {who}",
        "stopped": f"stopped {told} ago ({record['error']}): start it again, and it goes on where it was",
        "failed": f"failed {told} ago: {record['error']}",
        "dead": f"ended without a word ({who}, last heard of {told} ago): start it again, and it goes on",
    }[record["state"]]
    return [f"{folder}: {first}", *(f"  {_stage(stage)}" for stage in record["stages"])]


def _stage(stage: dict[str, Any]) -> str:
    done, total, passed = stage["done"], stage["total"], stage["at"] - stage["began"]
    counted = f", {total:,} {stage['unit']}" if stage["unit"] and total else ""
    if total and done >= total:
        return f"{stage['name']}: done in {in_words(passed)}{counted}"
    if not total:
        return f"{stage['name']}: at work"
    line = f"{stage['name']}: {100 * done // total} %, {done:,} of {total:,} {stage['unit']}"
    made = done - stage["before"]
    if made <= 0 or passed <= 0:
        return line
    return f"{line}, about {in_words((total - done) * passed / made)} left"
