"""Files and folders by the name the user gave: links are followed, loops of links end, patterns are seen.

Nothing here resolves a path: the Hub's cache is made of links whose targets have no telling names.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

LAYER = "{layer}"
_WILD = ("*", "?", "[", LAYER)


def files_below(root: Path, on_loop: Callable[[str], None] | None = None) -> Iterator[str]:
    """Relative POSIX paths of all files below a folder, in order, without hidden ones, pipes and devices.

    Args:
        root: a folder.
        on_loop: told of each link that leads to a folder it lies in, or to itself; it isn't followed.
    """
    state = root.stat()
    yield from _below(root, "", frozenset([(state.st_dev, state.st_ino)]), on_loop)


def _below(
    folder: Path, base: str, above: frozenset[tuple[int, int]], on_loop: Callable[[str], None] | None
) -> Iterator[str]:
    subfolders = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        name = f"{base}{entry.name}"
        try:
            if not entry.is_dir():
                if entry.is_file() or not os.path.exists(entry.path):  # a link that leads nowhere is named
                    yield name
                continue
            state = os.stat(entry.path)
            inside = (state.st_dev, state.st_ino)
        except OSError:  # a link to itself
            inside = next(iter(above))
        if inside in above:
            if on_loop is not None:
                on_loop(entry.path)
            continue
        subfolders.append((name, above | {inside}))
    for name, seen in subfolders:
        yield from _below(folder / name.rpartition("/")[2], f"{name}/", seen, on_loop)


def is_pattern(path: str) -> bool:
    """Whether a path stands for several: wildcards, or ``{layer}``."""
    return any(mark in path for mark in _WILD)


def split_at_existing(path: Path) -> tuple[Path, str] | None:
    """The longest folder above `path` that exists, and the rest; None where there is none but the root.

    >>> split_at_existing(Path("/") / "no-such-folder" / "x") is None
    True
    """
    for folder in path.parents:
        if folder == folder.parent:
            break
        if folder.is_dir():
            return folder, path.relative_to(folder).as_posix()
    return None


def stands_for_something(path: Path) -> bool:
    """Whether a path exists, or has ``{layer}`` or wildcards in it and something exists that it fits.

    A last part `canonical` isn't looked at: it names one of a folder's SAEs by a rule.
    """
    try:
        if path.exists():
            return True
    except OSError:  # a link to itself
        return False
    if path.name == "canonical":
        return stands_for_something(path.parent)
    split = split_at_existing(path) if is_pattern(str(path)) else None
    if split is None:
        return False
    folder, rest = split
    try:
        return next(folder.glob(rest.replace(LAYER, "*")), None) is not None
    except (ValueError, NotImplementedError, IndexError):  # not a pattern that glob takes
        return False
