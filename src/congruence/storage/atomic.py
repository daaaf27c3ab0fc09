"""Files and folders that are either whole or absent, whenever the process is killed."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from congruence.errors import StorageError
from congruence.storage.temporary import temporary_beside


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
        raise StorageError(f"can't write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends; an existing `path` is left as it is."""
    temporary = _temporary_beside(path)
    try:
        temporary.mkdir()
        yield temporary
        if not path.exists():
            os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"can't write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON; :class:`StorageError` names the file where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StorageError(f"{path} doesn't exist: is this the folder of a finished run?") from None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} can't be read ({error}): remove it and run again") from error


def _temporary_beside(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"can't make folder {path.parent}: {error.strerror or error}") from error
    return temporary_beside(path)


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
