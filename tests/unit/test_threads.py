"""How many threads what is called may use, and tasks side by side."""

import threading
import time

import numpy as np
import pytest

from congruence.storage import MemoryCache
from congruence.threads import at_most, available_threads, side_by_side


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
