"""Files and folders that are either whole or absent, whenever the process is killed."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from congruence.errors import StorageError
from congruence.storage import elsewhere
from congruence.storage.temporary import remove, temporary_beside

_FULL = 1 << 16
"""Bytes below which a disk is full, for an error that doesn't say so."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends without an error.

    Raises:
        StorageError: the folder can't be made or written to.
    """
    temporary = _temporary_beside(path)
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise cant_write(path, error) from error
    finally:
        remove(temporary)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends; an existing `path` is left as it is.

    Whoever writes a folder has seen that no whole one is there: what exists by now is another process's.
    """
    temporary = _temporary_beside(path)
    try:
        temporary.mkdir()
        yield temporary
        if not path.exists():
            os.replace(temporary, path)
    except OSError as error:
        raise cant_write(path, error) from error
    finally:
        remove(temporary)
    elsewhere.offer(path)


def cant_write(path: Path, error: Exception) -> StorageError:
    """The one line for a file that couldn't be written; a full disk is called that, whoever noticed it."""
    return StorageError(f"can't write {path}: {_reason(path, error)}")


@contextmanager
def tensors_written(place: Path) -> Iterator[None]:
    """What torch and safetensors raise in words of their own where `place` can't be written, in one line.

    Raises:
        StorageError: that line.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        raise cant_write(place, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8 with the line ends it has, atomically.

    Raises:
        StorageError: it can't be written, or holds half a surrogate pair, which no file can.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        broken = ascii(text[error.start])
        raise StorageError(f"can't write {path}: character {broken} isn't text: leave it out") from error
    write_bytes(path, content)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, atomically.

    Raises:
        StorageError: they can't be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_json(path: Path) -> Any:
    """Read JSON; :class:`StorageError` names the file where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StorageError(f"{path} doesn't exist: is this the folder of a finished run?") from None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} can't be read ({error}): remove it and run again") from error


def _reason(path: Path, error: Exception) -> str:
    """Why: libraries report a full disk in words of their own, or as a number of bytes."""
    full = f"{os.strerror(errno.ENOSPC)}: make room and give the same command again"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return full
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    folder = next((parent for parent in path.parents if parent.exists()), Path.cwd())
    if f"os error {errno.ENOSPC}" in str(error) or shutil.disk_usage(folder).free < _FULL:
        return full
    return " ".join(str(error).split()) or type(error).__name__


def _temporary_beside(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"can't make folder {path.parent}: {_reason(path.parent, error)}") from error
    return temporary_beside(path)


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
