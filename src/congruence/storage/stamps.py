"""Keys of large files without reading them again: each is kept beside the file's size and time stamps."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from congruence.caches import cache_folder
from congruence.errors import StorageError
from congruence.storage.atomic import write_json
from congruence.storage.keys import content_key, file_key
from congruence.storage.places import files_below

SMALL = 1 << 20
"""Bytes up to which a file is read each time: that costs no more than looking it up."""
_SETTLED_NS = 2 * 10**9
"""A file changed less long ago may change again under the same stamp, so its key isn't kept."""


def stamped_file_key(path: Path) -> str:
    """`file_key` of a file, looked up where its size and stamps are those it had when it was last read.

    What is looked up lies in the user's cache folder; where that can't be read or written the file is read.

    Raises:
        StorageError: the file can't be read, as where a symbolic link leads nowhere.
    """
    try:
        return _stamped_key(path)
    except OSError as error:
        why = "is a symbolic link that leads nowhere" if path.is_symlink() and not path.exists() else None
        reason = why or f"can't be read ({error.strerror or type(error).__name__})"
        raise StorageError(f"{path} {reason}: download or copy it again") from error


def _stamped_key(path: Path) -> str:
    stamp = file_stamp(path)
    if stamp[0] <= SMALL:
        return file_key(path)
    place = cache_folder() / "file-keys" / f"{content_key(str(path.resolve()))}.json"
    kept = _read(place)
    if kept.get("stamp") == stamp:
        return kept["key"]
    key = file_key(path)
    if settled(stamp) and file_stamp(path) == stamp:
        record = {"path": str(path.resolve()), "stamp": stamp, "key": key}
        _write(place, {**record, "checksum": content_key(record)})
    return key


def file_stamp(path: Path) -> list[int]:
    """Size, times of the last change of content and of state in nanoseconds, and number of a file."""
    state = path.stat()
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def settled(stamp: list[int]) -> bool:
    """Whether a file was last changed so long ago that a change from now on gives another stamp."""
    return time.time_ns() - max(stamp[1:3]) > _SETTLED_NS


def folder_stamps(path: Path) -> list[list[Any]]:
    """Name and stamp of every file below a folder, hidden ones left out; of a file, its own."""
    if path.is_file():
        return [[path.name, *file_stamp(path)]]
    files = ((name, path / name) for name in files_below(path))
    return [[name, *file_stamp(file)] for name, file in files if file.is_file()]


def _read(place: Path) -> dict[str, Any]:
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        return kept if kept.pop("checksum") == content_key(kept) else {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _write(place: Path, record: dict[str, Any]) -> None:
    with contextlib.suppress(OSError, StorageError):  # a cache that can't be written is no reason to stop
        write_json(place, record)
