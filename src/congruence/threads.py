"""How many threads compiled loops use."""

import os


def available_threads() -> int:
    """Threads to use: the cores this process may run on, or NUMBA_NUM_THREADS or OMP_NUM_THREADS of them."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        asked = os.environ.get(name, "")
        if asked.isdigit() and int(asked) > 0:
            return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
