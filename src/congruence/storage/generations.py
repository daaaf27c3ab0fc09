"""A run's folder as one thing: what one configuration gives stands in a folder of its own; one is current.

    DIR/generations/<key>/    tables, run.json, pictures of one configuration, published whole by one rename
    DIR/current               a link to one of them, replaced in one step
    DIR/run.json, ...         links through `current`, so that all of them change in that step

Where links can't be made, `current` is a text file that names the generation, and no links stand beside it.
A folder whose names are plain files, as one copied with links followed, is a generation by itself.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from congruence.errors import StorageError, quoted
from congruence.storage.atomic import atomic_folder, cant_write, write_text
from congruence.storage.temporary import remove, temporary_beside

FOLDER, CURRENT, RECORD = "generations", "current", "run.json"
EARLIER = "earlier-"
"""Begins the name of a generation that plain files in a run's folder were made into."""
_TARGET = re.compile(rf"{FOLDER}/(?P<key>[0-9A-Za-z][0-9A-Za-z_-]{{0,63}})/?")


def current_folder(path: Path) -> Path:
    """Where the current generation of a run's folder lies; the folder itself where it is one alone.

    Raises:
        StorageError: there are generations, and it can't be told which is current.
    """
    key = current_key(path)
    if key is not None:
        return path / FOLDER / key
    if leads := _leads_elsewhere(path):
        raise StorageError(f"{path / CURRENT} {leads}: {_which(generations(path))}")
    inside = path / CURRENT
    if inside.is_dir() and not inside.is_symlink():  # copied with links followed
        key = _same_record(path, inside)
        return inside if key is None else path / FOLDER / key
    there = generations(path)
    if not there or (path / RECORD).exists():
        return path
    if len(there) == 1:
        return there[0]
    raise StorageError(
        f"{path} doesn't say which of its {len(there)} configurations is current (its link {CURRENT!r} is "
        f"gone): {_which(there)}"
    )


def place_of(folder: Path) -> str | None:
    """The name under which a generation was written, where its folder's name is that; None elsewhere.

    A copy beside or outside of `generations`, files of an earlier version that were adopted, and one that is
    being written have others.
    """
    named = folder.parent.name == FOLDER and not folder.name.startswith((EARLIER, "."))
    return folder.name if named else None


def current_key(path: Path) -> str | None:
    """Name of the current generation; None where nothing says so."""
    place = path / CURRENT
    try:
        if not place.is_symlink() and not place.is_file():  # a pipe would be waited for
            return None
        target = os.readlink(place) if place.is_symlink() else place.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    named = _TARGET.fullmatch(target.strip().replace("\\", "/"))
    return named["key"] if named and (path / FOLDER / named["key"]).is_dir() else None


def generations(path: Path) -> list[Path]:
    """Every finished generation of a run's folder, by name."""
    folder = path / FOLDER
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and (p / RECORD).is_file())


def owner(folder: Path) -> Path:
    """The run's folder that a generation belongs to, or a folder that is one alone."""
    if folder.parent.name == FOLDER:
        return folder.parent.parent
    return folder.parent if folder.name == CURRENT else folder


def public(folder: Path) -> Path:
    """What to name to people: the run's folder where its links lead to this generation, else that itself."""
    path = owner(folder)
    linked = (path / RECORD).is_symlink() and current_key(path) == folder.name
    return path if linked else folder


def publish(path: Path, key: str, names: Iterable[str]) -> None:
    """Make a finished generation the current one, in one step.

    Args:
        path: the run's folder.
        key: the generation's name.
        names: of files and folders that generations may hold; those it has get a link in the run's folder.

    Raises:
        StorageError: the folder can't be written to.
    """
    names = [*names]
    if not _can_link(path):
        write_text(path / CURRENT, f"{FOLDER}/{key}\n")
        return
    _adopt(path, names)
    new = path / FOLDER / key
    for name in names:
        if (new / name).exists():  # leads nowhere, or to the same file, until the step below
            _link(path / name, f"{CURRENT}/{name}")
    _link(path / CURRENT, f"{FOLDER}/{key}")
    for name in names:
        if (path / name).is_symlink() and not (new / name).exists():
            remove(path / name)


def show(folder: Path, name: str) -> None:
    """Link a file or folder that a generation has got since it was published, where that one is current."""
    path = public(folder)
    if path != folder and (folder / name).exists():
        _link(path / name, f"{CURRENT}/{name}")


def _adopt(path: Path, names: list[str]) -> None:
    """Turn plain files of an earlier run into a generation of their own, then into links to it.

    Whatever stops this, the run's folder shows that earlier run throughout.
    """
    plain = [name for name in names if (path / name).exists() and not (path / name).is_symlink()]
    if plain and current_key(path) is None:
        key = _same_record(path, path)
        if key is None:
            key = f"{EARLIER}{os.urandom(4).hex()}"
            with atomic_folder(path / FOLDER / key) as temporary:
                for name in plain:
                    _copy(path / name, temporary / name)
        _link(path / CURRENT, f"{FOLDER}/{key}")
    for name in plain:
        _link(path / name, f"{CURRENT}/{name}")


def _leads_elsewhere(path: Path) -> str:
    """What is wrong with a run's `current` that names no generation of it; "" where it has none."""
    place = path / CURRENT
    try:
        target = (
            os.readlink(place) if place.is_symlink() else place.read_text("utf-8") if place.is_file() else ""
        )
    except (OSError, ValueError):
        return "can't be read"
    named = _TARGET.fullmatch(target.strip().replace("\\", "/"))
    shown = quoted(target.strip(), 100)
    return (
        ""
        if not target
        else f"leads to {shown}, which is {'gone' if named else 'no configuration of this run'}"
    )


def _which(there: list[Path]) -> str:
    """The remedy where it can't be told which generation is current."""
    if not there:
        return "give the command of the run again"
    known = ", ".join(p.name for p in there)
    return f"run one again, or load_run(..., configuration=KEY) with one of {known}"


def _same_record(path: Path, folder: Path) -> str | None:
    """The generation of `path` that plain files in `folder` are a copy of, by its record; None for none."""
    if not (folder / RECORD).is_file():
        return None
    record = (folder / RECORD).read_bytes()
    return next((p.name for p in generations(path) if (p / RECORD).read_bytes() == record), None)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _link(place: Path, target: str) -> None:
    """A link under a name, whatever had it; a folder of that name goes first."""
    if place.is_symlink() and os.readlink(place) == target:
        return
    temporary, instead = temporary_beside(place), temporary_beside(place)
    try:
        os.symlink(target, temporary)
        if place.is_dir() and not place.is_symlink():
            place.rename(instead)
        os.replace(temporary, place)
    except OSError as error:
        raise cant_write(place, error) from error
    finally:
        remove(temporary)
        remove(instead)


def _can_link(path: Path) -> bool:
    probe = temporary_beside(path / CURRENT)
    try:
        os.symlink("nowhere", probe)
    except (OSError, NotImplementedError):
        return False
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return True
