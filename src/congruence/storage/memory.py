"""Values kept in memory up to a number of bytes; what was used longest ago goes first."""

import contextlib
import ctypes
import gc
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import RLock
from typing import Generic, TypeVar

T = TypeVar("T")

_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class MemoryCache(Generic[T]):
    """Values by key, made when they are asked for and not held.

    Args:
        max_bytes: of all values together.
        size: bytes of a value; asked again each time, as values may grow.
        at_least: values that are held whatever their size.
        dropped: is told each value that goes, where somebody else holds it too.
    """

    def __init__(
        self,
        max_bytes: int,
        size: Callable[[T], int],
        *,
        at_least: int = 1,
        dropped: Callable[[T], object] = lambda value: None,
    ) -> None:
        self.max_bytes, self.size, self.at_least, self.dropped = max_bytes, size, at_least, dropped
        self._held: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = RLock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made now where it isn't held; whoever asks meanwhile waits."""
        with self._lock:
            if key not in self._held:
                self._let_go(self.at_least - 1)  # before a new one comes: both never stand side by side
                self._held[key] = make()
            self._held.move_to_end(key)
            self._let_go(self.at_least)
            return self._held[key]

    def keep(self, *keys: Hashable) -> None:
        """Hold the values of these keys alone, of those that are held."""
        with self._lock:
            for key in [key for key in self._held if key not in keys]:
                self.dropped(self._held.pop(key))

    def clear(self) -> None:
        """Hold nothing."""
        with self._lock:
            self._held.clear()

    def __len__(self) -> int:
        return len(self._held)

    def _let_go(self, keep: int) -> None:
        sizes = {key: self.size(value) for key, value in self._held.items()}
        total = sum(sizes.values())
        for key in list(self._held):
            if total <= self.max_bytes or len(self._held) <= keep:
                return
            total -= sizes[key]
            self.dropped(self._held.pop(key))


def give_back() -> None:
    """Free circles that nobody holds; return what the allocator still holds, where that is glibc's."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def memory_bytes() -> int:
    """Memory that this process may have: the machine's, or less where a container or `ulimit -v` says so.

    8 GiB where it can't be told.
    """
    return min([_machine(), *_limits()])


def _machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


def _limits() -> list[int]:
    """Limits of the control group and of the address space, those that are set."""
    found = []
    for place in _GROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            found.append(int(Path(place).read_text(encoding="ascii")))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        found.append(resource.getrlimit(resource.RLIMIT_AS)[0])
    return [limit for limit in found if limit > 0]


def available_bytes() -> int | None:
    """Memory that this process can still take, of the machine's, its container's and its own limit; None
    where it can't be told (elsewhere than on Linux)."""
    found = [left() for left in (_of_machine, _of_group, _of_process)]
    return min((left for left in found if left is not None), default=None)


def _of_machine() -> int | None:
    fields = _numbers(Path("/proc/meminfo"))
    return (fields["MemAvailable:"] + fields.get("SwapFree:", 0)) << 10 if "MemAvailable:" in fields else None


def _of_group(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What is left to a control group; what it holds of files on disk is given back when it is wanted."""
    try:
        limit, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):  # no such group, or "max"
        return None
    return max(limit - used + _numbers(folder / "memory.stat").get("inactive_file", 0), 0)


def _of_process() -> int | None:
    """What is left of the address space that `ulimit -v` grants."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError):
        return None
    return None if limit == resource.RLIM_INFINITY else max(limit - pages * os.sysconf("SC_PAGE_SIZE"), 0)


def _numbers(table: Path) -> dict[str, int]:
    """The second word of each line by the first."""
    try:
        lines = [line.split() for line in table.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}
