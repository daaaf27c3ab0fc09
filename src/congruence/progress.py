"""Progress of long work: whoever works says how far it is; the command line shows it, as bars or as lines."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

SECONDS_BETWEEN_LINES = 30.0
SECONDS_OF_QUIET = 10.0


@runtime_checkable
class Progress(Protocol):
    """Something that shows how far named work has come."""

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """`done` of `total` units of a task are finished.

        A total of 0 says that nobody can count them, one below 0 that the task was given up.
        """
        ...


class Silent(AbstractContextManager["Silent"]):
    """Shows nothing."""

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """Nothing."""


class RichProgress(AbstractContextManager["RichProgress"]):
    """Bars with an estimate of the time left, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        self._tasks: dict[str, int] = {}
        self._lock = threading.Lock()
        self._bars = Bars(
            TextColumn("{task.description:<28}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> "RichProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """Move the task's bar, adding it when it is first named."""
        with self._lock:
            if total < 0:
                if task in self._tasks:
                    self._bars.remove_task(self._tasks.pop(task))  # type: ignore[arg-type]
                return
            if task not in self._tasks:
                self._tasks[task] = self._bars.add_task(task, total=total or None, unit=unit)
            number = self._tasks[task]
        self._bars.update(number, completed=done, total=total or None)  # type: ignore[arg-type]


def _now() -> float:
    return time.monotonic()


@dataclass
class _Task:
    name: str
    unit: str
    done: int
    total: int
    inner: bool
    started: float = field(default_factory=_now)
    first: int = 0

    @property
    def line(self) -> str:
        """Share done, rate and time left."""
        passed = time.monotonic() - self.started
        if not self.total:
            return f"{self.name}: for {in_words(passed)}"
        told = f"{self.name}: {100 * self.done // self.total} %, {self.done:,} of {self.total:,} {self.unit}"
        made = self.done - self.first
        if made <= 0 or passed <= 0:
            return told
        rate = made / passed
        speed = f"{rate:,.0f} {self.unit}/s" if rate >= 10 else f"{rate:.2g} {self.unit}/s"
        return f"{told}, {speed}, about {in_words((self.total - self.done) / rate)} left"

    @property
    def end(self) -> str:
        counted = f": {self.total:,} {self.unit}" if self.unit else ""
        return f"{self.name}: done{counted} in {in_words(time.monotonic() - self.started)}"


class LineProgress(AbstractContextManager["LineProgress"]):
    """Plain lines on standard error, for files and pipes: the start and end of each stage, and how far it is.

    Work inside a stage (draws of a cell, a model that loads) is told with the stage, not on lines of its own.

    Args:
        every: seconds between two lines on how far it is, whether anything moved or not.
        quiet: seconds before the first line: what is refused or found finished at once is told in one line.
    """

    def __init__(self, every: float = SECONDS_BETWEEN_LINES, *, quiet: float = SECONDS_OF_QUIET) -> None:
        self.every, self.quiet = every, quiet
        self._silent_until = time.monotonic() + quiet
        self._running: dict[str, _Task] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress lines", daemon=True)

    def __enter__(self) -> "LineProgress":
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """Note how far a task is; say so where it begins or ends."""
        with self._lock:
            if total < 0:
                self._running.pop(task, None)
                return
            known = self._running.get(task)
            if known is None:
                known = _Task(task, unit, done, total, inner=bool(self._running), first=done)
                if total and done >= total:
                    return
                self._running[task] = known
                if not known.inner:
                    counted = f": {total:,} {unit}" if total else ""
                    self._say(f"{task}{counted}{f', {done:,} of them before' if done else ''}")
                return
            known.done, known.total = done, total
            if total and done >= total:
                del self._running[task]
                if not known.inner:
                    self._say(known.end)

    def _tick(self) -> None:
        pause = self.quiet + 0.01
        while not self._stop.wait(pause):
            pause = self.every
            with self._lock:
                lines = [task.line for task in self._running.values()]
            if lines:
                self._say("; ".join(lines))

    def _say(self, line: str) -> None:
        if time.monotonic() >= self._silent_until:
            _say(line)


_shown: Progress = Silent()


def advance(task: str, done: int, total: int, unit: str) -> None:
    """Tell whatever is shown at the moment: for work too deep down to be handed a `Progress`."""
    _shown.advance(task, done, total, unit)


@contextmanager
def working(task: str) -> Iterator[None]:
    """A step that nobody can count, from its start to its end."""
    shown_at_start = _shown
    shown_at_start.advance(task, 0, 0, "")
    try:
        yield
    except BaseException:
        shown_at_start.advance(task, 0, -1, "")
        raise
    shown_at_start.advance(task, 1, 1, "")


class Both:
    """Tells two."""

    def __init__(self, one: Progress, other: Progress) -> None:
        self.both = one, other

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """Tell each."""
        for progress in self.both:
            progress.advance(task, done, total, unit)


@contextmanager
def shown(progress: bool, also: Progress | None = None) -> Iterator[Progress]:
    """Bars where standard error is a terminal, lines where it isn't, or silence; for this block.

    Args:
        progress: False for silence.
        also: is told everything, too, whatever is shown.
    """
    global _shown  # noqa: PLW0603 - one screen
    before = _shown
    if not isinstance(before, Silent) and also is None:  # within a block that shows already
        yield before
        return
    with _view(progress) if isinstance(before, Silent) else nullcontext(before) as view:
        _shown = view if also is None else Both(view, also)
        try:
            yield _shown
        finally:
            _shown = before


def _view(progress: bool) -> Silent | RichProgress | LineProgress:
    if not progress:
        return Silent()
    from rich.console import Console

    console = Console(stderr=True)
    bars = console.is_jupyter or console.is_interactive
    return RichProgress() if bars else LineProgress()


def in_words(seconds: float) -> str:
    """A duration as people say it.

    >>> in_words(0.4), in_words(42), in_words(600), in_words(9000)
    ('0.4 s', '42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _say(line: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads it any more: the work goes on
        print(line, file=sys.stderr, flush=True)
