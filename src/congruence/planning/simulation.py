"""A run on many workers, event by event: stragglers, deaths, a store that takes time, a driver that is alone.

The tasks and their costs are those of the plan. What becomes of every worker-second that isn't a task's work
is counted by cause, so that it can be said what more workers would wait for.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.errors import ConfigError
from congruence.planning.costs import Costs
from congruence.planning.work import Piece, Work
from congruence.rng import derive
from congruence.wording import install

CAUSES = {
    "alone": "the starting process works alone (opening, verdicts, report)",
    "waiting": "workers wait for the last tasks of a stage: there are too few, or they are too large",
    "start": "workers start and open the run",
    "load": "workers load models and SAEs",
    "dispatch": "the starting process gives out tasks one after another",
    "store": "the store is read and written",
    "deaths": "workers die, and their tasks are done again",
    "stragglers": "some tasks take several times as long",
}
"""Cause -> in words."""


@dataclass(frozen=True)
class Setting:
    """Where a run is imagined.

    Attributes:
        workers: how many.
        latency: seconds of a request to the store; 0 where workers share a file system.
        bandwidth: bytes a second between a worker and the store.
        stragglers: share of tasks that take `straggling` times as long.
        straggling: how many times.
        deaths: of a worker, in an hour of work.
        at_once: requests that a worker has on their way.
        seed: of all that is drawn.
    """

    workers: int
    latency: float = 0.0
    bandwidth: float = 1e8
    stragglers: float = 0.01
    straggling: float = 4.0
    deaths: float = 0.01
    at_once: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """How it went.

    Attributes:
        workers: how many there were.
        seconds: from the start to the end.
        efficiency: seconds of tasks' work by (workers times seconds).
        lost: worker-seconds by cause.
        repeated: tasks that were done again.
        requests: to the store.
    """

    workers: int
    seconds: float
    efficiency: float
    lost: dict[str, float]
    repeated: int
    requests: int

    @property
    def cause(self) -> str:
        """What takes most of the worker-seconds that are no work."""
        return max(self.lost, key=lambda name: self.lost[name])


def simulate(work: Work, costs: Costs, setting: Setting) -> Outcome:
    """One run.

    Args:
        work: its tasks.
        costs: of each.
        setting: workers, store and mishaps.

    Raises:
        ConfigError: simpy isn't installed.
    """
    try:
        import simpy
    except ImportError as error:
        raise ConfigError(f"the simulation of many workers needs simpy: {install('plan')}") from error
    return _Run(work, costs, setting, simpy).outcome()


class _Run:
    def __init__(self, work: Work, costs: Costs, setting: Setting, simpy: Any) -> None:
        self.work, self.costs, self.setting = work, costs, setting
        self.rng = derive(setting.seed, "plan", setting.workers)
        self.time = simpy.Environment()
        self.driver = simpy.Resource(self.time, capacity=1)
        self.lost: dict[str, float] = dict.fromkeys(CAUSES, 0.0)
        self.repeated = self.requests = 0
        self.useful = 0.0
        self.idle = 0.0
        self.started = [False] * setting.workers
        self.read: list[set[str]] = [set() for _ in range(setting.workers)]
        self.near: list[str | None] = [None] * setting.workers

    def outcome(self) -> Outcome:
        costs, work = self.costs, self.work
        alone = costs.alone + costs.alone_per_cell * work.real_cells + costs.alone_per_source * work.sources
        self.time.process(self._all(alone))
        self.time.run()
        seconds, workers = float(self.time.now), self.setting.workers
        efficiency = self.useful / (workers * seconds) if seconds else 1.0
        return Outcome(workers, seconds, float(efficiency), dict(self.lost), self.repeated, self.requests)

    def _all(self, alone: float) -> Any:
        yield self.time.timeout(alone / 2)
        for stage in dict.fromkeys(piece.stage for piece in self.work.pieces):
            pieces = [piece for piece in self.work.pieces if piece.stage == stage]
            began, before = self.time.now, self._accounted()
            yield self.time.all_of(self._workers(pieces))
            passed = self.setting.workers * (self.time.now - began)
            self.lost["waiting"] += max(0.0, passed - (self._accounted() - before))
        yield self.time.timeout(alone / 2)
        self.useful += alone  # one process's work, which more workers don't shorten
        self.lost["alone"] += (self.setting.workers - 1) * alone

    def _accounted(self) -> float:
        return self.useful + sum(self.lost.values())

    def _workers(self, pieces: Sequence[Piece]) -> list[Any]:
        queue: dict[str, deque[Piece]] = {}
        for piece in pieces:
            queue.setdefault(piece.near, deque()).append(piece)
        at_work: Counter[str] = Counter()
        count = min(self.setting.workers, len(pieces))
        return [self.time.process(self._worker(number, queue, at_work)) for number in range(count)]

    def _worker(self, number: int, queue: dict[str, deque[Piece]], at_work: Counter[str]) -> Any:
        if not self.started[number] and self.setting.workers > 1:  # else the starting process does everything
            self.started[number] = True
            yield from self._spend("start", self.costs.start * self._noise())
        while there := [near for near, pieces in queue.items() if pieces]:
            own = self.near[number]
            near = own if own in there else min(there, key=lambda name: at_work[name])
            piece = queue[near].popleft()
            at_work[near] += 1
            asked = self.time.now
            with self.driver.request() as turn:
                yield turn
                yield self.time.timeout(self.costs.dispatch)
            self.lost["dispatch"] += self.time.now - asked
            if not (yield from self._done(number, near, piece)):
                queue[near].append(piece)
            at_work[near] -= 1

    def _done(self, number: int, near: str, piece: Piece) -> Any:
        """A worker at a task; False where it died of it."""
        setting = self.setting
        if self.near[number] != near and piece.loads:
            yield from self._spend("load", piece.loads / self.costs.load)
        self.near[number] = near
        yield from self._reads(number, piece)
        usual = self.costs.seconds(piece) * self._noise()
        slow = usual * (setting.straggling - 1) if self.rng.random() < setting.stragglers else 0.0
        death = self.rng.exponential(3600.0 / setting.deaths) if setting.deaths else np.inf
        if death < usual + slow:
            self.repeated += 1
            yield from self._spend("deaths", death)
            yield from self._spend("deaths", self.costs.start * self._noise())
            self.read[number].clear()
            self.near[number] = None
            return False
        yield self.time.timeout(usual)
        self.useful += usual
        if slow:
            yield from self._spend("stragglers", slow)
        if setting.latency:
            requests = 3 * piece.files + 3
            yield from self._store(requests, piece.writes)
        return True

    def _reads(self, number: int, piece: Piece) -> Any:
        fresh = [name for name in piece.reads if name not in self.read[number]]
        self.read[number].update(fresh)
        if fresh and self.setting.latency:
            shards = sum(1 for one in self.work.pieces if one.stage == "capture") or 1
            yield from self._store(5 * len(fresh) * shards // 2, sum(piece.reads[name] for name in fresh))

    def _store(self, requests: int, size: float) -> Any:
        self.requests += requests
        waits = -(-requests // self.setting.at_once) * self.setting.latency
        yield from self._spend("store", (waits + size / self.setting.bandwidth) * self._noise())

    def _spend(self, cause: str, seconds: float) -> Any:
        self.lost[cause] += seconds
        yield self.time.timeout(seconds)

    def _noise(self) -> float:
        """A factor about 1, as tasks' times spread."""
        spread = self.costs.spread
        return float(np.exp(self.rng.normal(-spread * spread / 2, spread)))
