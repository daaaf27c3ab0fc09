"""Progress of long work: the engine says how far it is, the command line shows it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Something that shows how far named work has come; rich's progress bar is wrapped as one."""

    def advance(self, task: str, done: int, total: int, unit: str) -> None:
        """`done` of `total` units of a task are finished."""
        ...


class Silent:
    """Shows nothing."""

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
        self._bars = Bars(
            TextColumn("{task.description:<28}"),
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
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=total, unit=unit)
        self._bars.update(self._tasks[task], completed=done, total=total)  # type: ignore[arg-type]


def shown(progress: bool) -> AbstractContextManager[Progress]:
    """Bars, or silence."""
    return RichProgress() if progress else nullcontext(Silent())
