"""A Ray cluster: each worker is an actor that opens the run once and holds its model."""

import contextlib
import logging
import os
import time
from collections.abc import Sequence
from typing import Any

from congruence.errors import ConfigError
from congruence.runners.base import LostWorkerError, Moved, Opening, Schedule, Task, raise_failure
from congruence.runners.worker import attempt, collecting, log_again

logger = logging.getLogger(__name__)

_LOOK_EVERY = 2.0
"""Seconds after which room for further workers is looked for again."""
_TELL_EVERY = 30.0


class _Worker:
    """The actor. Its threads are as many as it has cores."""

    def __init__(self, opening: Opening) -> None:
        self.opening, self.records, self.do = opening, collecting(), None

    def ready(self) -> None:
        """Answered as soon as the worker is there."""

    def attempt(self, task: Task) -> tuple[str, Any, list[tuple[str, int, str]], str]:
        def do(task: Task) -> None:
            self.do = self.do or self.opening.open()
            self.do(task)

        outcome, what = attempt(do, task)
        return outcome, what, self.records.take(), f"{os.uname().nodename} {os.getpid()}"


class OnRay:
    """Actors of a Ray cluster.

    Args:
        opening: how each worker is opened.
        address: the cluster; None starts one on this machine.
        workers: how many at a time; by default as many as there is room for.
        cpus, gpus: of a worker; GPUs for tasks that ask for some.
        attempts: how often a task is given out whose worker dies.

    Raises:
        ConfigError: there is no cluster at the address.
    """

    def __init__(
        self,
        opening: Opening,
        *,
        address: str | None = None,
        workers: int | None = None,
        cpus: float = 1,
        gpus: float = 0,
        attempts: int = 3,
    ) -> None:
        self.opening, self.address, self.workers = opening, address, workers
        self.cpus, self.gpus, self.attempts = cpus, gpus, attempts
        self._ours = False
        self._idle: list[Any] = []
        self._coming: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, Task]] = {}
        self._gpus, self._missed, self._told = 0.0, 0, 0.0

    def __enter__(self) -> "OnRay":
        import ray

        if not ray.is_initialized():
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's own future default
            quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
            try:
                if self.address is None:
                    ray.init(include_dashboard=False, num_cpus=self.workers, **quiet)
                else:
                    ray.init(address=self.address, **quiet)
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                told = " ".join(str(error).split())[:200]
                raise ConfigError(
                    f"runner.address {self.address!r}: no Ray cluster answers there ({told}): start one with "
                    "`ray start --head`, or leave the address out for one on this machine"
                ) from error
            self._ours = True
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        self._dismiss([*self._idle, *self._coming.values(), *(actor for actor, _ in self._running.values())])
        self._running.clear()
        if self._ours:
            with contextlib.suppress(Exception):
                ray.shutdown()
            self._ours = False

    def do(self, tasks: Sequence[Task], moved: Moved) -> None:
        """Have every task done by actors; one that dies is replaced, and its task given out again.

        Raises:
            ConfigError: no machine of the cluster has what a worker needs.
            CongruenceError: what a task raised, or that its workers died.
        """
        import ray

        gpus = max((task.gpus for task in tasks), default=0.0)
        if gpus != self._gpus:  # GPUs are given back when nothing asks for them
            self._dismiss([*self._idle, *self._coming.values()])
        self._gpus = gpus
        self._check(gpus)
        schedule = Schedule(tasks, self.attempts, moved)
        running, self._told = self._running, time.monotonic()
        while True:
            self._come_and_go(len(running), schedule.waiting)
            while self._idle and (task := schedule.next()) is not None:
                actor = self._idle.pop()
                running[actor.attempt.remote(task)] = actor, task
            if not running and not schedule.left:
                return
            if not (awaited := [*running, *self._coming]):
                time.sleep(_LOOK_EVERY)
                continue
            finished, _ = ray.wait(awaited, num_returns=1, timeout=_LOOK_EVERY)
            for reference in finished:
                if reference in self._coming:
                    self._arrived(reference)
                    continue
                actor, task = running.pop(reference)
                if not self._heard(reference, task, schedule):
                    self._dismiss([actor])
                elif (following := schedule.next(task)) is not None:
                    running[actor.attempt.remote(following)] = actor, following
                else:
                    self._idle.append(actor)

    def _come_and_go(self, running: int, waiting: int) -> None:
        """As many workers as the cluster holds and tasks need; those that find no room are called off."""
        here, room = running + len(self._idle), self._room(self._gpus)
        for actor in [*self._coming.values()][max(0, room - here) :]:
            self._dismiss([actor])
        while here + len(self._coming) < min(room, running + waiting):
            actor = self._actor(self._gpus)
            self._coming[actor.ready.remote()] = actor
        if not running and not self._idle and waiting and time.monotonic() > self._told + _TELL_EVERY:
            self._told = time.monotonic()
            logger.warning("no machine of the Ray cluster has room for a worker: %d tasks wait", waiting)

    def _arrived(self, reference: Any) -> None:
        """A worker that was called for is there, or will never be."""
        import ray
        from ray.exceptions import RayError

        actor = self._coming.pop(reference)
        try:
            ray.get(reference)
        except RayError as error:
            self._missed += 1
            if self._missed >= self.attempts:
                raise LostWorkerError(
                    f"workers of the Ray cluster end before they are there, {self._missed} times now "
                    f"({_why(error)}): see Ray's own logs; what is finished is kept: start the run again"
                ) from error
        else:
            self._missed = 0
            self._idle.append(actor)

    def _dismiss(self, actors: Sequence[Any]) -> None:
        import ray

        for actor in [*actors]:
            self._idle = [one for one in self._idle if one is not actor]
            self._coming = {name: one for name, one in self._coming.items() if one is not actor}
            with contextlib.suppress(Exception):
                ray.kill(actor)

    def _heard(self, reference: Any, task: Task, schedule: Schedule) -> bool:
        """Note how a task ended; whether its worker can go on."""
        import ray
        from ray.exceptions import RayError

        try:
            outcome, what, taken, worker = ray.get(reference)
        except RayError as error:
            schedule.lost(task, _why(error))
            return False
        log_again(taken, f"worker {worker}")
        if outcome == "done":
            schedule.done(task)
        elif outcome == "died":
            schedule.lost(task, what)
            return False
        else:
            raise_failure(task, what)
        return True

    def _actor(self, gpus: float) -> Any:
        import ray

        threads = str(max(1, int(self.cpus)))
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        options = {
            "num_cpus": self.cpus,
            "num_gpus": gpus,
            "max_restarts": 0,
            "runtime_env": {"env_vars": dict.fromkeys(names, threads)},
        }
        return ray.remote(_Worker).options(**options).remote(self.opening)  # type: ignore[call-overload]

    def _check(self, gpus: float) -> None:
        """
        Raises:
            ConfigError: no machine of the cluster has what a worker needs.
        """
        import ray

        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for name, each in (("CPU", self.cpus), ("GPU", gpus)):
            if each and not any(there.get(name, 0) >= each for there in alive):
                total = sum(there.get(name, 0) for there in alive)
                key = "runner.cpus" if name == "CPU" else "runner.gpus_per_capture"
                raise ConfigError(
                    f"{key} {each:g}: no machine of the Ray cluster has that many {name}s (all together "
                    f"{total:g}): ask for fewer, or start Ray where they are"
                )

    def _room(self, gpus: float) -> int:
        """How many workers the machines that are there now can hold; none where all are lost."""
        import ray

        fits = 0
        for node in ray.nodes():
            there = node["Resources"] if node["Alive"] else {}
            needs = {"CPU": self.cpus, "GPU": gpus}
            fits += min(int(there.get(name, 0) / each) for name, each in needs.items() if each)
        return min(self.workers or fits, fits)


def _why(error: Exception) -> str:
    """The cause of a lost worker in a few words."""
    from ray.exceptions import OutOfMemoryError

    if isinstance(error, OutOfMemoryError):
        return "Ray ended it for want of memory"
    told = " ".join(str(error).split())
    for mark in ("The worker died unexpectedly", "The actor died", "The node"):
        if mark in told:
            return told[told.index(mark) :][:160]
    return f"{type(error).__name__}: {told[:120]}"
