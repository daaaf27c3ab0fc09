"""How many threads compiled loops use, and running one on all of them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np


def available_threads() -> int:
    """Threads to use: the cores this process may run on, or NUMBA_NUM_THREADS or OMP_NUM_THREADS of them."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        asked = os.environ.get(name, "")
        if asked.isdigit() and int(asked) > 0:
            return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
