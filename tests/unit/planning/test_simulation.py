"""A run imagined on many workers: exact where nothing is drawn, complete whatever dies, and it says what is lost."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from congruence.errors import ConfigError
from congruence.planning import Costs, Piece, Setting, Work, plan_of, simulate
from congruence.planning.costs import Measured, measured_in

EXACT = Costs(
    per_flop=1.0, per_firing=0.0, per_cell=2.0, per_cofiring=0.0, per_draw=0.0, per_concept_draw=0.0, spread=0.0,
    start=0.0, dispatch=0.0, load=1e9, alone=0.0, alone_per_cell=0.0, alone_per_source=0.0,
)  # fmt: skip
QUIET = {"stragglers": 0.0, "deaths": 0.0}


def work(captures: int, cells: int, **piece) -> Work:
    pieces = [Piece("capture", "a real", flops=3.0, **piece) for _ in range(captures)]
    pieces += [Piece("compare", f"row {number % 4}", **piece) for number in range(cells)]
    return Work(tuple(pieces), 1000, cells, cells, 8)


def test_nothing_is_lost_where_nothing_happens():
    for workers in (1, 2, 5, 10):
        found = simulate(work(20, 40), EXACT, Setting(workers, **QUIET))
        assert found.seconds == pytest.approx((20 * 3 + 40 * 2) / workers)
        assert found.efficiency == pytest.approx(1)
        assert sum(found.lost.values()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("cause", "costs", "setting", "piece"),
    [
        ("waiting", {}, {}, {}),
        ("start", {"start": 50.0}, {}, {}),
        ("dispatch", {"dispatch": 2.0}, {}, {}),
        ("alone", {"alone": 500.0}, {}, {}),
        ("load", {}, {}, {"loads": 2e10}),
        ("store", {}, {"latency": 3.0}, {}),
        ("deaths", {}, {"deaths": 500.0}, {}),
        ("stragglers", {}, {"stragglers": 0.5, "straggling": 9.0}, {}),
    ],
)
def test_what_is_lost_is_named(cause, costs, setting, piece):
    tasks = work(3, 5) if cause == "waiting" else work(160, 320, **piece)
    found = simulate(tasks, replace(EXACT, **costs), Setting(16, **{**QUIET, **setting}))
    assert found.cause == cause
    assert found.efficiency < 0.9
    held = found.workers * found.seconds
    assert found.efficiency * held + sum(found.lost.values()) == pytest.approx(held, rel=1e-6)


def test_every_task_is_done_whoever_dies():
    costs = replace(EXACT, spread=0.3, start=1.0)
    setting = Setting(8, deaths=300.0, stragglers=0.1)
    found = simulate(work(50, 100), costs, setting)
    assert found.repeated > 5
    again = simulate(work(50, 100), costs, setting)
    assert found == again != simulate(work(50, 100), costs, replace(setting, seed=1))
    calm = simulate(work(50, 100), costs, Setting(8, **QUIET))
    assert calm.seconds < found.seconds
    assert calm.efficiency * calm.seconds * 8 == pytest.approx(50 * 3 + 100 * 2, rel=0.1)


def test_a_plan_says_where_more_workers_are_a_waste():
    tasks = replace(work(400, 800), gpus=1.0)
    plan = plan_of(
        tasks, replace(EXACT, alone=2.0, start=0.1), workers=[1, 8, 64, 512], setting=Setting(1, **QUIET)
    )
    assert [one.workers for one in plan.outcomes] == [1, 8, 64, 512]
    assert plan.outcomes[1].efficiency > 0.9 > plan.outcomes[3].efficiency
    assert plan.limit is not None
    assert plan.limit.workers in (64, 512)
    assert plan.why
    held = [one.workers * one.seconds / 3600 for one in plan.outcomes]
    assert [hours["core_hours"] for hours in plan.hours] == pytest.approx(held)
    share = 1200 / 2800
    assert plan.hours[0]["money"] == pytest.approx(held[0] * (0.05 + share * 2.5))
    assert plan.record()["below_90_percent"]["workers"] == plan.limit.workers


def test_speeds_are_those_that_were_measured():
    tasks = work(4, 6)
    shards = [(250, 3.0 * 2) for _ in range(4)]
    found = Measured(shards, [2.0 * 1.5] * 6, [], {}).fit(EXACT, tasks.pieces, 1000)
    assert found.seconds(tasks.pieces[0]) == pytest.approx(6.0)
    assert found.seconds(tasks.pieces[-1]) == pytest.approx(3.0)
    assert found.told == "measured: 4 shards, 6 layer pairs"
    assert Measured([], [1.0], [], {}).fit(EXACT, tasks.pieces, 1000) is EXACT


def test_a_folder_without_tasks_is_refused(tmp_path: Path):
    from congruence.errors import StorageError

    with pytest.raises(StorageError, match="holds no finished task of a run"):
        measured_in(tmp_path)


def test_without_simpy_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(importlib.import_module("sys").modules, "simpy", None)
    with pytest.raises(ConfigError, match=r"needs simpy: pip install '\.\[plan\]' in the checkout"):
        simulate(work(1, 1), EXACT, Setting(1))
