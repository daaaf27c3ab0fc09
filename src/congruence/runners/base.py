"""What a runner is given and does: tasks, each done by a worker that was opened once.

A task's result is what it leaves in the run's folder, under names that follow from its content; nothing else
comes back. So a task may be done twice or by two workers at once, and whoever dies has lost the task at hand.
"""

import importlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from congruence.errors import CongruenceError, StorageError

logger = logging.getLogger(__name__)

Do = Callable[["Task"], object]
"""What a worker does with a task."""
Moved = Callable[["Task"], object]
"""Called with every task that is finished."""


@dataclass(frozen=True)
class Task:
    """Something that a worker computes and stores.

    Attributes:
        kind: what it is.
        name: what it is called, for people.
        arguments: which one, in plain values.
        near: tasks of one name here share what is read for them: one worker takes them one after another.
        size: of its work, in the units that are shown.
        gpus: GPUs that it needs.
    """

    kind: str
    name: str
    arguments: tuple[Any, ...] = ()
    near: str = ""
    size: int = 1
    gpus: float = 0.0


@dataclass(frozen=True)
class Opening:
    """How a worker is opened, in another process or on another machine.

    Attributes:
        function: "module:name" of a function that gives what does a task (`Do`).
        arguments: handed to it; they are pickled.
    """

    function: str
    arguments: tuple[Any, ...] = ()

    def open(self) -> Do:
        """Open one here."""
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(module), name)(*self.arguments)


@runtime_checkable
class Runner(Protocol):
    """Something that has tasks done."""

    def do(self, tasks: Sequence[Task], moved: Moved) -> None:
        """Have every task done, in any order.

        Raises:
            CongruenceError: what a task raised, or that its worker died too often.
        """
        ...

    def __enter__(self) -> "Runner": ...

    def __exit__(self, *_: object) -> None: ...


class LostWorkerError(StorageError):
    """A task's workers died, one after another."""


class TaskError(RuntimeError):
    """A task failed by an error that nobody foresaw; its traceback is in the log."""


@dataclass
class Schedule:
    """Which task a worker gets next, and what becomes of tasks whose worker died.

    Args:
        tasks: what is to be done.
        attempts: how often a task is given out in all.
        moved: called with every finished one.
    """

    tasks: Iterable[Task]
    attempts: int
    moved: Moved
    _waiting: dict[str, deque[Task]] = field(init=False, default_factory=dict)
    _working: Counter[str] = field(init=False, default_factory=Counter)
    _tried: Counter[Task] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        for task in self.tasks:
            self._waiting.setdefault(task.near, deque()).append(task)

    @property
    def left(self) -> bool:
        """Whether a task waits to be given out."""
        return any(self._waiting.values())

    @property
    def waiting(self) -> int:
        """How many do."""
        return sum(map(len, self._waiting.values()))

    def next(self, last: Task | None = None) -> Task | None:
        """A task for a worker that has just done another: one near to it, else where fewest are at work."""
        there = [near for near, tasks in self._waiting.items() if tasks]
        if not there:
            return None
        own = last.near if last is not None and last.near in there else None
        near = own if own is not None else min(there, key=lambda name: self._working[name])
        task = self._waiting[near].popleft()
        self._working[near] += 1
        self._tried[task] += 1
        return task

    def done(self, task: Task) -> None:
        """A worker has finished it."""
        self._working[task.near] -= 1
        self.moved(task)

    def lost(self, task: Task, why: str) -> None:
        """Its worker died: it waits again.

        Raises:
            LostWorkerError: it has had all its attempts.
        """
        self._working[task.near] -= 1
        tried = self._tried[task]
        if tried >= self.attempts:
            raise LostWorkerError(
                f"{task.name}: its worker died, {tried} of {self.attempts} times ({why}): give workers more "
                "memory or use fewer (runner.workers); what is finished is kept: start the run again"
            )
        logger.warning("%s: its worker died (%s); given to another", task.name, why)
        self._waiting[task.near].appendleft(task)


def raise_failure(task: Task, error: CongruenceError | str) -> None:
    """Raise in this process what ended a task in a worker."""
    if isinstance(error, CongruenceError):
        raise error
    logger.error("%s failed in its worker:\n%s", task.name, error)
    last = error.strip().rsplit("\n", 1)[-1]
    raise TaskError(f"{task.name}: {last}")
