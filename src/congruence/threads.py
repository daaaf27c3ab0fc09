"""How many threads compiled loops and torch use, and running a loop on all of them."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

_here = threading.local()


def available_threads() -> int:
    """Threads to use: the cores this process may run on, or NUMBA_NUM_THREADS or OMP_NUM_THREADS of them.

    Within :func:`alone`: one.
    """
    if getattr(_here, "alone", False):
        return 1
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        asked = os.environ.get(name, "")
        if asked.isdigit() and int(asked) > 0:
            return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def alone() -> Iterator[None]:
    """What this thread calls uses this thread: for one of several that work side by side on whole tasks."""
    before, _here.alone = getattr(_here, "alone", False), True
    try:
        yield
    finally:
        _here.alone = before


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
