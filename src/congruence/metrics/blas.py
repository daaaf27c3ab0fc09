"""Products of matrices that come out the same for any number of threads.

BLAS splits a product by its number of threads, and where it splits, the order of sums and so the last
digits change. Here a product is cut into blocks of a fixed size, each made by one BLAS thread; blocks run in
parallel.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Shaped

from congruence.threads import available_threads

BLOCK_ROWS = 256
ALIGNMENT = 64

T = TypeVar("T")
S = TypeVar("S")


class _Limit:
    """Counts who wants BLAS on one thread: the limit is global, so the last to leave gives it back."""

    def __init__(self) -> None:
        self.lock, self.depth, self.limited = Lock(), 0, None

    def enter(self) -> None:
        with self.lock:
            if self.depth == 0 and (controller := _controller()) is not None:
                self.limited = controller.limit(limits=1, user_api="blas")
            self.depth += 1

    def leave(self) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth == 0 and self.limited is not None:
                self.limited.restore_original_limits()
                self.limited = None


_limit = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread, from any number of threads at once; also a decorator, `@one_blas_thread()`."""
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


@cache
def _controller() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own, which has to be limited as well

    return ThreadpoolController()


def aligned(shape: tuple[int, ...], dtype: Any = np.float64) -> Shaped[np.ndarray, "..."]:
    """An empty array that begins at a multiple of 64 bytes, whatever the allocator gives."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    room = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def in_parallel(work: Callable[[S], T], parts: Iterable[S], *, most: int | None = None) -> list[T]:
    """`work` of every part, in order, on all threads or `most` of them, with BLAS on one thread in each."""
    parts = list(parts)
    with one_blas_thread():
        workers = min(available_threads(), len(parts), most or len(parts))
        if workers <= 1:
            return [work(part) for part in parts]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(work, parts))


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
