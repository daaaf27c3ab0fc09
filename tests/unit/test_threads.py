"""How many threads what is called may use, and tasks side by side."""

import threading
import time
import weakref

import numpy as np
import pytest

from congruence import threads
from congruence.storage import MemoryCache
from congruence.threads import at_most, available_threads, side_by_side, spread


def test_tasks_side_by_side_come_in_order_and_share_the_threads(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "6")
    shares, here = [], threading.get_ident()

    def work(part):
        shares.append((available_threads(), threading.get_ident() == here))
        time.sleep(0.002 * (5 - part))
        return part * part

    assert list(side_by_side(work, range(5))) == [0, 1, 4, 9, 16]
    assert set(shares) == {(3, False)}
    assert available_threads() == 6
    shares.clear()
    with at_most(1):
        assert list(side_by_side(work, range(3))) == [0, 1, 4]
    assert set(shares) == {(1, True)}


def test_parts_are_taken_as_results_are_asked_for(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    taken = []

    def parts():
        for part in range(100):
            taken.append(part)
            yield part

    results = side_by_side(lambda part: part, parts())
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 8
    results.close()


def test_what_fails_beside_others_is_raised_and_no_more_is_begun(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    begun = []

    def work(part):
        begun.append(part)
        time.sleep(0.005)
        if part == 1:
            raise ValueError("the second")
        return part

    with pytest.raises(ValueError, match="the second"):
        list(side_by_side(work, range(200)))
    assert len(begun) < 20


def test_parts_are_spread_over_threads_that_are_kept_and_come_in_order():
    before = set()

    def work(part):
        before.add(threading.get_ident())
        time.sleep(0.002 * (5 - part))
        return part * part

    for _ in range(20):
        assert spread(work, range(5), 3) == [0, 1, 4, 9, 16]
    assert threading.get_ident() in before
    assert (
        len(before) < 30
    )  # of 40 that would be started if none were kept; one may be late for the next call
    assert spread(work, [], 3) == []
    before.clear()
    assert spread(work, range(3), 1) == [0, 1, 4]
    assert before == {threading.get_ident()}


def test_spread_work_may_spread_again():
    def inner(part):
        return sum(spread(lambda other: part * other, range(10), 4))

    assert spread(inner, range(40), 4) == [45 * part for part in range(40)]


def test_the_first_part_that_fails_is_raised_and_no_more_is_begun():
    begun = []

    def work(part):
        begun.append(part)
        time.sleep(0.02 if part == 1 else 0.005)
        if part in {1, 2}:
            raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 1"):
        spread(work, range(200), 3)
    assert len(begun) < 20
    assert spread(lambda part: part, range(4), 3) == [0, 1, 2, 3]


def test_a_value_in_memory_is_made_once_however_many_ask():
    made = []

    def make():
        made.append(1)
        time.sleep(0.02)
        return np.zeros(3)

    cache: MemoryCache[np.ndarray] = MemoryCache(1000, lambda one: one.nbytes)
    threads = [threading.Thread(target=lambda: cache.get("one", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_call_that_is_over_holds_nothing_for_threads_that_come_late(monkeypatch):
    waiting = []

    class Late:
        def submit(self, take):
            waiting.append(take)

    monkeypatch.setattr(threads, "_pool", Late)
    parts = [np.zeros(3) for _ in range(3)]
    held = [weakref.ref(part) for part in parts]
    found = spread(lambda part: part + 1, parts, 2)
    results = [weakref.ref(result) for result in found]
    del parts, found
    assert waiting
    assert not [ref for ref in held + results if ref() is not None]
    waiting[0]()  # and has nothing to do
