"""How many threads compiled loops and torch use, and running a loop on all of them."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

import numpy as np

S = TypeVar("S")
T = TypeVar("T")

_here = threading.local()


def available_threads() -> int:
    """Threads to use: the cores this process may run on, or NUMBA_NUM_THREADS or OMP_NUM_THREADS of them.

    Within :func:`at_most`: so many.
    """
    if (share := getattr(_here, "share", None)) is not None:
        return share
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        asked = os.environ.get(name, "")
        if asked.isdigit() and int(asked) > 0:
            return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """What this thread calls uses so many: for one of several that work side by side on whole tasks."""
    before, _here.share = getattr(_here, "share", None), threads
    try:
        yield
    finally:
        _here.share = before


def side_by_side(work: Callable[[S], T], parts: Iterable[S], *, most: int = 2) -> Iterator[T]:
    """`work` of every part, in order, so many at a time, each on its share of the threads.

    For parts that use one thread for a while and all of them for another: what one waits for, another uses.
    """
    parts = list(parts)
    workers = min(available_threads(), len(parts), most)
    if workers <= 1:
        yield from map(work, parts)
        return
    share = available_threads() // workers

    def one(part: S) -> T:
        with at_most(share):
            return work(part)

    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(one, parts)
        except BaseException:  # waits for what is being computed, not for all that was asked for
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def torch_threads(number: int | None) -> Iterator[None]:
    """Threads of torch, in this thread and in those begun meanwhile; None leaves them as they are."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_runs(work: Callable[[int, int], None], count: int) -> None:
    """Call work(lo, hi) for runs of 0..count, on all threads."""
    threads = available_threads()
    cuts = np.linspace(0, count, 4 * threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        runs = [pool.submit(work, int(lo), int(hi)) for lo, hi in pairwise(cuts)]
        try:
            for run in runs:
                run.result()
        except BaseException:  # an interrupt waits for what is being computed, not for all that was asked for
            pool.shutdown(cancel_futures=True)
            raise
