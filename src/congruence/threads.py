"""How many threads compiled loops and torch use, and running a loop on all of them."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import chain, islice, pairwise
from typing import Any, TypeVar

import numpy as np

S = TypeVar("S")
T = TypeVar("T")

MOST_HELPERS = 64
"""Threads that are kept for calls of `spread`; they are started when there is work that no idle one takes."""

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
    A part is taken from `parts` when it is begun or soon to be, and few results wait to be asked for.
    """
    rest = iter(parts)
    first = list(islice(rest, 2 * most))
    workers = min(available_threads(), len(first), most)
    if workers <= 1:
        yield from map(work, chain(first, rest))
        return
    share = available_threads() // workers

    def one(part: S) -> T:
        with at_most(share):
            return work(part)

    with ThreadPoolExecutor(workers) as pool:
        try:
            asked = deque(pool.submit(one, part) for part in first)
            while asked:
                done = asked.popleft().result()
                asked.extend(pool.submit(one, part) for part in islice(rest, 1))
                yield done
        except BaseException:  # waits for what is being computed, not for all that was asked for
            pool.shutdown(cancel_futures=True)
            raise


def spread(work: Callable[[S], T], parts: Iterable[S], threads: int) -> list[T]:
    """`work` of every part, in order, on up to so many threads, of which the caller's own is one.

    The others are kept between calls: work of a millisecond isn't worth starting threads for. Nobody waits
    for a thread that has begun nothing, so what is called here may call it again.

    Raises:
        BaseException: what the first part that fails raises; no part is begun after a failure.
    """
    parts = list(parts)
    helpers = min(threads, len(parts)) - 1
    if helpers < 1:
        return [work(part) for part in parts]
    spreading = _Spreading(work, parts)
    for _ in range(helpers):
        _pool().submit(spreading.take)
    spreading.take()
    return spreading.finished()


class _Spreading:
    """One call of `spread`: whoever is free takes the next part."""

    def __init__(self, work: Callable[[Any], Any], parts: list[Any]) -> None:
        self.work, self.parts = work, parts
        self.results: list[Any] = [None] * len(parts)
        self.errors: dict[int, BaseException] = {}
        self._places = iter(range(len(parts)))  # whose next is one step of the interpreter: given out once
        self._left, self._lock, self._done = len(parts), threading.Lock(), threading.Event()

    def take(self) -> None:
        """Work on parts until none is left."""
        for place in self._places:
            settled = 1
            try:
                self.results[place] = self.work(self.parts[place])
            except BaseException as error:  # raised by `finished`, whatever thread it came up in
                self.errors[place] = error
                settled += sum(1 for _ in self._places)
            with self._lock:
                self._left -= settled
                if self._left == 0:
                    self._done.set()

    def finished(self) -> list[Any]:
        """The results once all parts that were begun are through."""
        try:
            self._done.wait()
        except BaseException:  # an interrupt waits for what is being computed, not for all that was asked for
            for _ in self._places:
                pass
            raise
        results, errors = self.results, self.errors
        # a thread that comes late holds nothing of what was worked on
        self.work, self.parts, self.results, self.errors = _nothing, [], [], {}
        if errors:
            raise errors[min(errors)]
        return results


def _nothing(_: Any) -> None:
    """The work of a call that is over."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_HELPERS, thread_name_prefix="spread")


if hasattr(os, "register_at_fork"):  # a copy of the process has no threads, and starts its own
    os.register_at_fork(after_in_child=_pool.cache_clear)


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


def in_runs(work: Callable[[int, int], None], count: int, threads: int | None = None) -> None:
    """Call work(lo, hi) for runs of 0..count, on all threads or so many."""
    threads = threads or available_threads()
    cuts = np.linspace(0, count, 4 * threads + 1).astype(int)
    spread(lambda run: work(*run), pairwise(cuts.tolist()), threads)
