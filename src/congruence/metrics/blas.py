"""Products of matrices that come out the same for any number of threads.

BLAS splits a product by its number of threads, and where it splits, the order of sums and so the last
digits change. Here a product is cut into blocks of a fixed size, each made by one BLAS thread; blocks run in
parallel.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Lock, local
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from congruence.aligned import aligned
from congruence.threads import available_threads, spread

BLOCK_ROWS = 256

T = TypeVar("T")
S = TypeVar("S")


class _Limit:
    """Counts who wants BLAS on one thread: most limits are global, so the last to leave gives them back.

    threadpoolctl lets the thread that limited first alone set a global limit, for as long as it lives; who
    counts, as here, has to set it from any thread. OpenBLAS on OpenMP has a limit for each thread.
    """

    def __init__(self) -> None:
        self.lock, self.depth, self.before = Lock(), 0, []
        self.here = local()

    def enter(self) -> None:
        with self.lock:
            shared, own = _libraries()
            if self.depth == 0:
                self.before = _set_threads(shared, [1] * len(shared))
            self.depth += 1
        depth = getattr(self.here, "depth", 0)
        if depth == 0:
            self.here.before = _set_threads(own, [1] * len(own))
        self.here.depth = depth + 1

    def leave(self) -> None:
        shared, own = _libraries()
        self.here.depth -= 1
        if self.here.depth == 0:
            _set_threads(own, self.here.before)
        with self.lock:
            self.depth -= 1
            if self.depth == 0:
                _set_threads(shared, self.before)


_limit = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread, from any number of threads at once; also a decorator, `@one_blas_thread()`.

    Whoever starts threads that multiply matrices puts it around what each of them does.
    """
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


@cache
def _libraries() -> tuple[list[Any], list[Any]]:
    """The BLAS libraries of numpy and scipy: those with one limit, and those with one for each thread."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return [], []
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own, which has to be limited as well

    found = [one for one in ThreadpoolController().lib_controllers if one.user_api == "blas"]
    own = [one for one in found if getattr(one, "threading_layer", "") == "openmp"]
    return [one for one in found if one not in own], own


def _set_threads(libraries: Sequence[Any], numbers: Sequence[int]) -> list[int]:
    """Set each library's number of threads; what they were."""
    before = [one.num_threads for one in libraries]
    for one, number in zip(libraries, numbers, strict=True):
        free = getattr(one, "clear_controlling_thread", lambda *, force: None)
        free(force=True)
        one.set_num_threads(number)
        free(force=True)
    return before


def in_parallel(work: Callable[[S], T], parts: Iterable[S], *, most: int | None = None) -> list[T]:
    """`work` of every part, in order, on all threads or `most` of them, with BLAS on one thread in each."""
    parts = list(parts)
    with one_blas_thread():
        workers = min(available_threads(), len(parts), most or len(parts))
        if workers <= 1:
            return [work(part) for part in parts]
        return spread(one_blas_thread()(work), parts, workers)


def blocks(rows: int) -> list[slice]:
    """Slices of a fixed number of rows."""
    return [slice(first, min(first + BLOCK_ROWS, rows)) for first in range(0, rows, BLOCK_ROWS)]


def product(a: Float[np.ndarray, "n k"], b: Float[np.ndarray, "k m"]) -> Float[np.ndarray, "n m"]:
    """a b, in blocks of rows of a."""
    out = aligned((a.shape[0], b.shape[1]), np.result_type(a, b))
    in_parallel(lambda part: np.matmul(a[part], b, out=out[part]), blocks(len(out)))
    return out


def gram(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
    """x xᵀ: exactly symmetric, the upper half made in blocks of rows and mirrored."""
    out = aligned((len(x), len(x)), x.dtype)

    def fill(part: slice) -> None:
        upper = out[part, part.start :]
        np.matmul(x[part], x[part.start :].T, out=upper)
        corner = upper[:, : part.stop - part.start]
        corner[...] = np.triu(corner) + np.triu(corner, 1).T
        out[part.stop :, part] = out[part, part.stop :].T

    in_parallel(fill, blocks(len(x)))
    return out
