"""A folder of the Hub's cache given as a path: where in it the files are."""

import re
from pathlib import Path

from congruence.errors import InputError

_CACHED = re.compile(r"(models|datasets|spaces)--.+")


def snapshot_of(path: Path) -> Path:
    """The snapshot in a folder such as `models--acme--small`; any other folder as it is.

    Of several snapshots the one is taken that the cache's `refs/main` names.

    Args:
        path: a folder.

    Raises:
        InputError: the cache holds no snapshot, or several and no main one.
    """
    snapshots = path / "snapshots"
    if not (_CACHED.fullmatch(path.name) or (path / "refs").is_dir()) or not snapshots.is_dir():
        return path
    found = sorted(place for place in snapshots.iterdir() if place.is_dir())
    main = path / "refs" / "main"
    if main.is_file():
        named = snapshots / main.read_text().strip()
        found = [named] if named in found else found
    if len(found) != 1:
        problem = f"{len(found)} snapshots and no refs/main among them" if found else "no snapshot"
        raise InputError(f"cache folder {str(path)!r} holds {problem}: name the folder of one snapshot")
    return found[0]
