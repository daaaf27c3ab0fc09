"""From what a user writes (folder, file, Hub id, release name) to a source and a name in it."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from congruence.errors import SaeError
from congruence.saes.release_names import Release, find_release, release_names
from congruence.saes.sources import Source, open_source


@dataclass(frozen=True)
class Location:
    """Where SAEs are to be looked for.

    Attributes:
        wanted: id, glob or hook name of the one that is meant; None for whatever is there.
        input_factor: what inputs are to be multiplied by, known from a registry and not from the files.
    """

    source: Source
    wanted: str | None = None
    input_factor: float | None = None


def locate(path_or_hub_id: str | Path, sae_id: str | None = None) -> Location:
    """The location of a folder, file, Hub id or SAELens release, and what follows one of the latter two.

    Raises:
        SaeError: there is no such thing, or a release without an sae_id.
    """
    release, below = split_release(path_or_hub_id)
    if release is None:
        source, below = open_source(path_or_hub_id)
        return Location(source, sae_id if _is_file(path_or_hub_id) and sae_id else _joined(below, sae_id))
    wanted = _joined(below, sae_id)
    if wanted is None:
        raise SaeError(f"release {release.name!r} holds {len(release.folders)} SAEs: name one by sae_id")
    source, _ = open_source(release.repo_id)
    return Location(source, release.folder(wanted), release.input_factors.get(wanted))


def split_release(path_or_hub_id: str | Path) -> tuple[Release | None, str | None]:
    """The SAELens release that a name begins with, if it is no path here, and the sae_id after it, if any.

    Raises:
        SaeError: it can only be a release name, and there is none of that name.
    """
    text = str(path_or_hub_id)
    if text.startswith(("/", ".", "~")) or Path(text).exists():
        return None, None
    name, slash, below = text.partition("/")
    release = find_release(name)
    if release is None and not slash:
        raise SaeError(
            f"no SAE at {name!r}: it is neither a folder here nor a Hub id 'owner/name'{_near(name)}"
        )
    return release, below or None


def _near(name: str) -> str:
    """What else the user may have meant."""
    known = release_names()
    if not known:
        return ", and SAELens release names are only known where sae-lens is installed"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" nor a SAELens release{f': did you mean {near[0]!r}?' if near else ''}"


def _joined(below: str | None, sae_id: str | None) -> str | None:
    return "/".join(part for part in (below, sae_id) if part) or None


def _is_file(path: str | Path) -> bool:
    return Path(path).expanduser().is_file()
