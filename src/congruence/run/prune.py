"""What lies in a run's folder, which configuration uses it, and removing what none does."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from congruence.errors import StorageError
from congruence.run.opening import load_run
from congruence.run.several.results import ModelsRun
from congruence.storage import generations
from congruence.storage.run_folder import PAIRS, RunFolder
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
        used_by: keys of the kept configurations that use it, or the folder of a pair of models; empty: none.
        about: what else is to be said of it.
    """

    path: Path
    kind: str
    bytes: int
    used_by: tuple[str, ...] = ()
    about: str = ""


def stored_in(path: Path, *, keep: Collection[str] = (), alone: bool = False) -> list[Stored]:
    """Everything that a run's folder holds and that may be removed from it.

    The current configuration is kept, and those in `keep`; what neither uses has no `used_by`. Of several
    models so are the configurations of pairs that they are made of, and the current one of each pair; of one
    pair's folder those that a run of several models is made of.

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
    kept = {*there} if "all" in keep else {current, *keep, *_named_outside(path, there)}
    runs = {key: load_run(path, configuration=key) for key in sorted(kept)}
    pairs = _kept_of_pairs(path, runs.values(), every="all" in keep)
    uses = {key: _uses(run) for key, run in runs.items()}
    alone_too = {
        f"{PAIRS}/{place.name}": _all_of([one for key, one in used.items() if key not in of_runs])
        for place, (used, of_runs) in pairs.items()
        if not used.keys() <= of_runs
    }
    found = [*_of(path, uses | alone_too, there, current)]
    for place, (used, _) in pairs.items():
        inside = {folder.name: folder for folder in generations.generations(place)}
        found += _of(place, used, inside, generations.current_key(place) or "")
    return [*found, *_rubbish(path, alone)]


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


def folders_of(path: Path) -> list[Path]:
    """All folders that a run which is at work here may hold: of a run of several models and of its pairs."""
    whole = _whole(path)
    return [path, *_pairs_in(path), *([] if whole is None else [whole])]


def _pairs_in(path: Path) -> list[Path]:
    inside = path / PAIRS
    return [place for place in sorted(inside.iterdir() if inside.is_dir() else ()) if RunFolder(place).shares]


def _whole(path: Path) -> Path | None:
    """The folder of the run of several models that a pair's folder is part of; None of another folder."""
    is_pair = RunFolder(path).shares and path.resolve().parent.name == PAIRS
    return path / ".." / ".." if is_pair else None


def _uses(run: Any) -> Mapping[str, Collection[str]]:
    """What a configuration uses of its folder; of several models what any of its pairs does."""
    own = run.info.get("uses") or {}
    if not isinstance(run, ModelsRun):
        return own
    return _all_of([own, *(_uses(run.pair_run(*names)) for names in run.pairs)])


def _all_of(uses: Collection[Mapping[str, Collection[str]]]) -> Mapping[str, Collection[str]]:
    """What pairs of models use of the folder that they share."""
    return {name: {one for part in uses for one in part.get(name, ())} for name in (ACTIVATIONS, "known")}


def _kept_of_pairs(
    path: Path, runs: Collection[Any], *, every: bool
) -> dict[Path, tuple[dict[str, Mapping[str, Collection[str]]], set[str]]]:
    """What is kept in the folder of each pair of models: configuration -> what it uses.

    That is what a kept run of several models is made of, whose keys are the second of each two, and the
    pair's current configuration, which a later run of several may have made before it was stopped.
    """
    named = [one for run in runs if isinstance(run, ModelsRun) for one in run.info["pairs"]]
    found = {}
    for place in _pairs_in(path):
        of_runs = {one["configuration"] for one in named if one["folder"] == f"{PAIRS}/{place.name}"}
        current = generations.current_key(place)
        keys = of_runs | ({current} if current else set())
        keys |= {folder.name for folder in generations.generations(place)} if every else set()
        found[place] = {key: _uses(load_run(place, configuration=key)) for key in sorted(keys)}, of_runs
    return found


def _named_outside(path: Path, there: Collection[str]) -> set[str]:
    """Configurations of a pair's folder that runs of several models are made of."""
    whole = _whole(path)
    if whole is None:
        return set()
    runs = (load_run(whole, configuration=folder.name) for folder in generations.generations(whole))
    folder = f"{PAIRS}/{path.resolve().name}"
    pairs = [one for run in runs if isinstance(run, ModelsRun) for one in run.info["pairs"]]
    return {one["configuration"] for one in pairs if one["folder"] == folder} & {*there}


def _of(
    path: Path, uses: Mapping[str, Mapping[str, Collection[str]]], there: Mapping[str, Path], current: str
) -> Iterator[Stored]:
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
