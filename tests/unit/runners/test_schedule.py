"""Which task a worker gets next, and how often."""

import pytest

from congruence.runners import Task
from congruence.runners.base import LostWorkerError, Schedule


def tasks(*near: str) -> list[Task]:
    return [Task("t", f"{name}{i}", (i,), near=name) for i, name in enumerate(near)]


def given(schedule: Schedule, last: Task | None = None) -> Task:
    task = schedule.next(last)
    assert task is not None
    return task


def test_a_worker_stays_with_what_it_has_read():
    schedule = Schedule(tasks("a", "a", "b", "b"), 3, lambda task: None)
    one, other = given(schedule), given(schedule)
    assert (one.name, other.name) == ("a0", "b2")
    assert given(schedule, one).name == "a1"
    assert given(schedule, other).name == "b3"
    assert schedule.next(one) is None


def test_who_has_nothing_near_helps_where_fewest_work():
    schedule = Schedule(tasks("a", "a", "a", "b", "b"), 3, lambda task: None)
    first, second, third = given(schedule), given(schedule), given(schedule)
    assert [task.near for task in (first, second, third)] == ["a", "b", "a"]
    schedule.done(second)
    assert given(schedule, second).name == "b4"


def test_lost_tasks_are_given_out_again_so_often():
    seen = []
    schedule = Schedule(tasks("a", "b"), 2, seen.append)
    first = given(schedule)
    schedule.lost(first, "signal 9")
    again = given(schedule, first)
    assert again == first
    with pytest.raises(
        LostWorkerError, match=r"a0: its worker died, 2 of 2 times \(signal 9\).*start the run again"
    ):
        schedule.lost(again, "signal 9")
    schedule.done(given(schedule))
    assert [task.name for task in seen] == ["b1"]
    assert not schedule.left
