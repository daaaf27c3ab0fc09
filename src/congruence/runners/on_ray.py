"""A Ray cluster: each worker is an actor that opens the run once and holds its model."""

import contextlib
import logging
import os
from collections.abc import Sequence
from typing import Any

from congruence.errors import ConfigError
from congruence.runners.base import Moved, Opening, Schedule, Task, raise_failure
from congruence.runners.worker import attempt, collecting, log_again

logger = logging.getLogger(__name__)

_LOOK_EVERY = 2.0
"""Seconds after which room for further workers is looked for again."""


class _Worker:
    """The actor. Its threads are as many as it has cores."""

    def __init__(self, opening: Opening) -> None:
        self.opening, self.records, self.do = opening, collecting(), None

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
        self._actors: list[Any] = []
        self._gpus = 0.0

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

        self._dismiss(self._actors)
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
            self._dismiss(self._actors)
        self._gpus = gpus
        wanted = self._room(len(tasks), gpus)
        schedule = Schedule(tasks, self.attempts, moved)
        running: dict[Any, tuple[Any, Task]] = {}
        while True:
            while len(self._actors) < min(wanted, schedule.waiting + len(running)):
                self._actors.append(self._actor(gpus))
            busy = [actor for actor, _ in running.values()]
            for actor in self._actors:
                if actor not in busy and (task := schedule.next()) is not None:
                    running[actor.attempt.remote(task)] = actor, task
            if not running:
                return
            finished, _ = ray.wait([*running], num_returns=1, timeout=_LOOK_EVERY)
            for reference in finished:
                actor, task = running.pop(reference)
                if not self._heard(reference, task, schedule):
                    self._dismiss([actor])
                elif (following := schedule.next(task)) is not None:
                    running[actor.attempt.remote(following)] = actor, following

    def _dismiss(self, actors: Sequence[Any]) -> None:
        import ray

        for actor in [*actors]:
            self._actors.remove(actor)
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

    def _room(self, tasks: int, gpus: float) -> int:
        """How many workers the cluster can hold."""
        import ray

        there = ray.cluster_resources()
        needs = {"CPU": self.cpus, "GPU": gpus}
        for name, each in needs.items():
            if each and not any(
                node["Resources"].get(name, 0) >= each for node in ray.nodes() if node["Alive"]
            ):
                key = "runner.cpus" if name == "CPU" else "runner.gpus_per_capture"
                raise ConfigError(
                    f"{key} {each:g}: no machine of the Ray cluster has that many {name}s (all together "
                    f"{there.get(name, 0):g}): ask for fewer, or start Ray where they are"
                )
        fits = min(int(there.get(name, 0) / each) for name, each in needs.items() if each)
        return max(1, min(tasks, self.workers or fits))


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
