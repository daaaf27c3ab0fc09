"""What lies in a run's folder, which configuration uses it, and removing what none does."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from congruence.errors import StorageError
from congruence.run.results import load_run
from congruence.storage import generations
from congruence.storage.run_folder import RunFolder
from congruence.storage.temporary import left_over, remove

_KEYED = re.compile(r".+-[0-9a-f]{16}(\.json|\.npz)?")
_ASIDE = re.compile(r"\..+\.broken")
CONFIGURATION, ACTIVATIONS, CELL = "configuration", "activations", "cell"
KNOWN, TEMPORARY, ASIDE = "known of inputs", "of a killed process", "set aside as not whole"


@dataclass(frozen=True)
class Stored:
    """Something that lies in a run's folder.

    Attributes:
        path: where.
        kind: "configuration", "activations", "cell", "known of inputs", "of a killed process" or "set aside
            as not whole".
        bytes: of all files in it.
        used_by: keys of the kept configurations that use it; empty: none does.
        about: what else is to be said of it.
    """

    path: Path
    kind: str
    bytes: int
    used_by: tuple[str, ...] = ()
    about: str = ""


def stored_in(path: Path, *, keep: Collection[str] = (), alone: bool = False) -> list[Stored]:
    """Everything that a run's folder holds and that may be removed from it.

    The current configuration is kept, and those in `keep`; what neither uses has no `used_by`.

    Args:
        path: the run's folder.
        keep: keys of further configurations; "all": every one.
        alone: no other process writes into it.

    Raises:
        StorageError: it isn't a run's folder with a finished configuration, or holds no such key.
    """
    current = generations.current_key(path)
    if current is None:
        generations.current_folder(path)  # says so where it leads elsewhere
        raise StorageError(
            f"{path} has no current configuration: finish a run in it first (congruence run CONFIG --out DIR)"
        )
    there = {place.name: place for place in generations.generations(path)}
    if unknown := sorted({*keep} - {*there, "all"}):
        raise StorageError(f"{path} holds no configuration {unknown[0]!r}: known are {', '.join(there)}")
    kept = {*there} if "all" in keep else {current, *keep}
    uses = {key: load_run(path, configuration=key).info.get("uses") or {} for key in sorted(kept)}
    return [*_of(path, uses, there, current), *_rubbish(path, alone)]


def prune(found: Collection[Stored]) -> int:
    """Remove what no kept configuration uses.

    Args:
        found: by `stored_in`.

    Returns:
        Bytes removed.
    """
    gone = [one for one in found if not one.used_by]
    for one in gone:
        remove(one.path)
    return sum(one.bytes for one in gone if not os.path.lexists(one.path))


def _of(path: Path, uses: Mapping[str, Any], there: Mapping[str, Path], current: str) -> Iterator[Stored]:
    folder = RunFolder(path)
    for key, place in there.items():
        used_by = (key,) if key in uses else ()
        about = [*(["current"] if key == current else []), f"finished {_finished(place)}"]
        yield Stored(place, CONFIGURATION, size_of(place), used_by, ", ".join(about))
    # what several pairs of models share isn't one pair's to remove
    shared = (folder.activations, folder.known) if folder.shares else ()
    for kind, name, place in (
        (ACTIVATIONS, "activations", folder.activations),
        (CELL, "cells", folder.cells),
        (KNOWN, "known", folder.known),
    ):
        for entry in sorted(place.iterdir()) if place.is_dir() and place not in shared else []:
            if _KEYED.fullmatch(entry.name):
                used_by = tuple(key for key, used in uses.items() if _stem(entry) in used.get(name, ()))
                yield Stored(entry, kind, size_of(entry), used_by)


def _rubbish(path: Path, alone: bool) -> Iterator[Stored]:
    for entry in left_over(path, alone=alone):
        yield Stored(entry, TEMPORARY, size_of(entry))
    for place, folders, files in os.walk(path):
        for name in [*folders, *files]:
            if _ASIDE.fullmatch(name):
                yield Stored(Path(place) / name, ASIDE, size_of(Path(place) / name))
        folders[:] = [name for name in folders if not name.startswith(".")]


def _finished(place: Path) -> str:
    """When a configuration was finished, as far as its record can be read."""
    try:
        return str(load_run(place).info.get("finished"))[:16].replace("T", " ")
    except StorageError:
        return "some time, not whole"


def _stem(entry: Path) -> str:
    """Arrays that belong to a record have its name, but for the ending."""
    return entry.stem if entry.suffix in (".json", ".npz") else entry.name


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links count as themselves."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    files = (Path(place) / name for place, _, names in os.walk(path) for name in names)
    return sum(file.lstat().st_size for file in files)
