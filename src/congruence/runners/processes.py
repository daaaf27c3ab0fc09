"""Several processes on this machine: each opens the run for itself, and takes one task at a time."""

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from congruence.errors import StorageError
from congruence.runners.base import Moved, Opening, Schedule, Task, raise_failure
from congruence.runners.worker import log_again
from congruence.threads import available_threads

logger = logging.getLogger(__name__)

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    task: Task | None = None
    last: Task | None = None

    @property
    def name(self) -> str:
        return f"worker {self.process.pid}"

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it."""
        return (self.process.poll() or 0) < 0

    @property
    def how_it_died(self) -> str:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return "it doesn't answer"
        if code == -9:
            return "killed, signal 9: by somebody, or by the system for want of memory"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


class Processes:
    """Workers in processes of their own.

    Args:
        opening: how each worker is opened.
        workers: how many; by default one for each core.
        attempts: how often a task is given out whose worker dies.
    """

    def __init__(self, opening: Opening, *, workers: int | None = None, attempts: int = 3) -> None:
        self.opening, self.attempts = opening, attempts
        cores = available_threads()
        self.workers = workers or cores
        self.threads = max(1, cores // self.workers)
        self._there: list[_Worker] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._there:
            with contextlib.suppress(OSError):
                if worker.task is None:
                    worker.connection.send(None)
            worker.connection.close()
            if worker.task is not None:
                worker.process.kill()
        for worker in self._there:
            try:
                worker.process.wait(10)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._there = []

    def begin(self) -> None:
        """Start all workers now: who gives tasks from another thread can then end them from this one."""
        while len(self._there) < self.workers:
            self._there.append(self._start())

    def do(self, tasks: Sequence[Task], moved: Moved) -> None:
        """Have every task done; a worker that dies is replaced, and its task given out again.

        Raises:
            CongruenceError: what a task raised, or that its workers died.
        """
        schedule = Schedule(tasks, self.attempts, moved)
        while True:
            while len(self._there) < min(self.workers, schedule.waiting + self._busy):
                self._there.append(self._start())
            for worker in [*self._there]:
                if worker.task is None and schedule.left:
                    self._give(worker, schedule)
            busy = {worker.connection: worker for worker in self._there if worker.task is not None}
            if not busy:
                if schedule.left:
                    continue
                return
            for ready in wait(list(busy)):
                self._hear(busy[ready], schedule)  # type: ignore[index]

    @property
    def _busy(self) -> int:
        return sum(worker.task is not None for worker in self._there)

    def _give(self, worker: _Worker, schedule: Schedule) -> None:
        worker.task = schedule.next(worker.last)
        try:
            worker.connection.send(worker.task)
        except OSError:
            self._bury(worker, schedule, worker.how_it_died)

    def _hear(self, worker: _Worker, schedule: Schedule) -> None:
        task = worker.task
        assert task is not None
        try:
            outcome, what, taken = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker, schedule, worker.how_it_died)
            return
        log_again(taken, worker.name)
        worker.task, worker.last = None, task
        if outcome == "done":
            schedule.done(task)
        elif outcome == "died":
            worker.task = task
            self._bury(worker, schedule, what)
        else:
            raise_failure(task, what)

    def _bury(self, worker: _Worker, schedule: Schedule, why: str) -> None:
        self._there.remove(worker)
        worker.connection.close()
        worker.process.kill()
        worker.process.wait()
        if worker.task is not None:
            schedule.lost(worker.task, why)

    def _start(self, tried: int = 1) -> _Worker:
        """A worker that answers and knows how to open itself; another where one is killed before it does."""
        worker = self._launched()
        try:
            worker.connection.send(self.opening)
            worker.connection.recv()
        except (EOFError, OSError) as error:
            why = worker.how_it_died
            worker.connection.close()
            if worker.was_killed and tried < self.attempts:
                logger.warning("%s ended before it began (%s); another is started", worker.name, why)
                return self._start(tried + 1)
            raise StorageError(
                f"a worker ended before it began ({why}): what it wrote stands above; runner: serial needs "
                "none"
            ) from error
        logger.info("%s started, %d threads", worker.name, self.threads)
        return worker

    def _launched(self) -> _Worker:
        """A process that waits to be told how it is opened."""
        here, there = Pipe()
        environment = {
            **os.environ,
            **{name: str(self.threads) for name in _THREADS},
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        call = f"from congruence.runners.worker import main; main({there.fileno()}, {os.getpid()})"
        process = subprocess.Popen(
            [sys.executable, "-c", call],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
        )
        there.close()
        return _Worker(process, here)
