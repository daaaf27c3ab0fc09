"""Names for what isn't whole yet, and what killed processes left under such names."""

import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"\.(?P<of>.+)\.(?P<host>[0-9a-f]+)-(?P<process>\d+)-[0-9a-f]{8}\.tmp")
_LONG_AGO = 24 * 3600
"""Seconds after which what seems to belong to a living process, or to another machine, belongs to none."""
_mine: set[str] = set()
"""Names that this process gave: a process before it may have had the same number, as in a container."""


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that no other process takes; what a dead one left for `path` is removed."""
    for found in path.parent.glob(".*.tmp"):
        named = _NAME.fullmatch(found.name)
        if named and named["of"] == path.name and _ended(named, found, alone=False):
            remove(found)
    name = f".{path.name}.{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
    _mine.add(name)
    return path.parent / name


def left_over(folder: Path, *, alone: bool) -> Iterator[Path]:
    """What dead processes left anywhere below a folder.

    Args:
        folder: whose.
        alone: this process holds the folder's lock, so that no other machine's process is at work in it.
    """
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            named = _NAME.fullmatch(name)
            if named and _ended(named, Path(place) / name, alone=alone):
                yield Path(place) / name
        folders[:] = [name for name in folders if not name.endswith(".tmp")]


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it; what can't be removed stays."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        pass


def _host() -> str:
    return socket.gethostname().encode().hex()[-16:] or "0"


def _ended(named: re.Match[str], path: Path, *, alone: bool) -> bool:
    """Whether what has this name belongs to no living process."""
    if named.group() in _mine:
        return False
    if named["host"] != _host():
        return alone or _old(path)
    process = int(named["process"])
    return process == os.getpid() or _is_dead(process) or _old(path)


def _old(path: Path) -> bool:
    """Whether neither a file nor anything right below a folder was changed for a day."""
    try:
        below = list(path.iterdir()) if path.is_dir() and not path.is_symlink() else []
        return time.time() - max(p.lstat().st_mtime for p in [path, *below]) > _LONG_AGO
    except OSError:
        return False


def _is_dead(process: int) -> bool:
    """Whether this machine surely runs no such process any more; False where that can't be asked."""
    try:
        if os.name == "posix":
            os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        pass
    return False
