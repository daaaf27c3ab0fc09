"""Seeds derived from a run's seed and a path of names, so no answer depends on where it was computed."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np


def derive_seed(seed: int, *path: str | int) -> int:
    """A 64-bit seed that depends on `seed` and every part of `path`, and on nothing else.

    >>> derive_seed(0, "null", 3, 4) == derive_seed(0, "null", 3, 4)
    True
    >>> derive_seed(0, "null", 3, 4) == derive_seed(0, "null", 34)
    False
    """
    return int.from_bytes(_hash(seed, path).digest(), "little")


def derive_seeds(seed: int, *path: str | int, numbers: Iterable[int]) -> np.ndarray:
    """(m,) uint64 `derive_seed(seed, *path, number)` of every number.

    >>> int(derive_seeds(0, "null", numbers=[3])[0]) == derive_seed(0, "null", 3)
    True
    """
    begun, found = _hash(seed, path), bytearray()
    for number in numbers:
        one = begun.copy()
        one.update(f"\x1fint:{number}".encode())
        found += one.digest()
    return np.frombuffer(found, dtype="<u8").astype(np.uint64)


def derive(seed: int, *path: str | int) -> np.random.Generator:
    """A numpy generator from :func:`derive_seed`."""
    return np.random.default_rng(derive_seed(seed, *path))


def _hash(seed: int, path: Sequence[str | int]) -> "hashlib.blake2b":
    text = "\x1f".join([str(int(seed)), *(f"{type(part).__name__}:{part}" for part in path)])
    return hashlib.blake2b(text.encode(), digest_size=8)
