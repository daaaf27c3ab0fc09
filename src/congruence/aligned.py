"""Arrays that begin where a cache line does."""

from typing import Any

import numpy as np
from jaxtyping import Shaped

ALIGNMENT = 64
"""Bytes of a cache line, and of the widest registers."""


def aligned(shape: tuple[int, ...], dtype: Any = np.float64) -> Shaped[np.ndarray, "..."]:
    """An empty array that begins at a multiple of 64 bytes, whatever the allocator gives."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    room = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)
