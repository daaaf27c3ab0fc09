"""Hours, bytes, requests and money of a run, and how many workers it can use."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from congruence.planning.costs import Costs
from congruence.planning.simulation import CAUSES, Outcome, Setting, simulate
from congruence.planning.work import Work

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
GOOD = 0.9
"""Efficiency below which more workers are told to be a waste."""


@dataclass(frozen=True)
class Prices:
    """What things cost, in one currency.

    Attributes:
        core_hour, gpu_hour: of a worker's cores and GPUs.
        gigabyte_month: of what is stored.
        thousand_requests: to the store.
    """

    core_hour: float = 0.05
    gpu_hour: float = 2.5
    gigabyte_month: float = 0.023
    thousand_requests: float = 0.005


@dataclass(frozen=True)
class Plan:
    """What a run takes.

    Attributes:
        work: its tasks.
        costs: what they were reckoned with.
        stages: by stage: tasks, worker-hours, bytes written.
        outcomes: by number of workers, ascending.
        hours: money and time of each outcome, in the same order: core_hours, gpu_hours, money.
        bytes: stored in the end.
        requests: to a store.
        month: money for keeping it for a month.
    """

    work: Work
    costs: Costs
    stages: dict[str, dict[str, float]]
    outcomes: Sequence[Outcome]
    hours: Sequence[dict[str, float]]
    bytes: float
    requests: int
    month: float

    @property
    def limit(self) -> Outcome | None:
        """The smallest number of workers whose efficiency is below 90 %; None where all are above."""
        return next((one for one in self.outcomes if one.efficiency < GOOD), None)

    @property
    def why(self) -> str:
        """What is lost there, in words."""
        limit = self.limit
        return "" if limit is None else CAUSES[limit.cause]

    def record(self) -> dict[str, Any]:
        """For programs."""
        return {
            "tokens": self.work.tokens,
            "tasks": len(self.work.pieces),
            "cells": self.work.cells,
            "stages": self.stages,
            "bytes": self.bytes,
            "requests": self.requests,
            "month": self.month,
            "workers": [
                {**asdict(one), **hours} for one, hours in zip(self.outcomes, self.hours, strict=True)
            ],
            "below_90_percent": None
            if self.limit is None
            else {"workers": self.limit.workers, "why": self.why},
            "costs": self.costs.record(),
            "assumed": list(self.work.assumed),
        }


def plan_of(
    work: Work,
    costs: Costs,
    *,
    workers: Sequence[int] = WORKERS,
    setting: Setting | None = None,
    prices: Prices | None = None,
    cpus: float = 1.0,
) -> Plan:
    """What a run takes on each number of workers.

    Args:
        work: its tasks.
        costs: of each.
        workers: numbers to imagine.
        setting: store and mishaps; its own number of workers isn't read.
        prices: of hours, bytes and requests.
        cpus: cores of a worker.

    Raises:
        ConfigError: simpy isn't installed.
    """
    setting, prices = setting or Setting(1), prices or Prices()
    stages: dict[str, dict[str, float]] = {}
    for piece in work.pieces:
        stage = stages.setdefault(piece.stage, {"tasks": 0, "worker_hours": 0.0, "bytes": 0.0})
        stage["tasks"] += 1
        stage["worker_hours"] += costs.seconds(piece) / 3600
        stage["bytes"] += piece.writes
    size = sum(stage["bytes"] for stage in stages.values())
    outcomes = [
        simulate(work, costs, Setting(**{**asdict(setting), "workers": number}))
        for number in sorted(set(workers))
    ]
    captured = sum(s["worker_hours"] for name, s in stages.items() if name.startswith("capture"))
    everything = sum(s["worker_hours"] for s in stages.values()) or 1.0
    hours = []
    for one in outcomes:
        held = one.workers * one.seconds / 3600
        gpu = work.gpus * held * captured / everything
        money = held * cpus * prices.core_hour + gpu * prices.gpu_hour
        money += one.requests / 1000 * prices.thousand_requests
        hours.append({"core_hours": held * cpus, "gpu_hours": gpu, "money": money})
    requests = outcomes[0].requests if outcomes else 0
    return Plan(work, costs, stages, outcomes, hours, size, requests, size / 1e9 * prices.gigabyte_month)
