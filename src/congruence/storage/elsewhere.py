"""Where else finished things are kept: a folder here, and stores that other machines and runs see.

Whoever stores something whole offers it, whoever looks for something asks, and neither knows who listens.
Nothing is kept elsewhere unless a run says so.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Elsewhere(Protocol):
    """Something that keeps what stands below a folder.

    Attributes:
        root: the folder, absolute.
    """

    root: Path

    def ask(self, place: Path) -> bool:
        """Bring here what belongs at a place; whether it was to be had."""
        ...

    def ask_all(self, places: Iterable[Path]) -> None:
        """The same for many at once."""
        ...

    def offer(self, place: Path) -> None:
        """Something whole stands at a place."""
        ...

    def distrust(self, place: Path) -> None:
        """What stood at a place wasn't whole: what is kept of it isn't asked for again, and is replaced."""
        ...

    def look_again(self) -> None:
        """What wasn't to be had may be by now."""
        ...


_joined: list[Elsewhere] = []


def join(one: Elsewhere) -> None:
    """Let it listen as long as this process lives."""
    _joined.append(one)


@contextmanager
def joined(one: Elsewhere) -> Iterator[None]:
    """Let it listen for this block."""
    _joined.append(one)
    try:
        yield
    finally:
        _joined.remove(one)


def ask(place: Path) -> bool:
    """Bring here from elsewhere what belongs at a place; whether it was to be had."""
    return any(one.ask(place) for one in _of(place))


def ask_all(places: Iterable[Path]) -> None:
    """Bring here what belongs at many places of one folder, several at a time."""
    wanted = [*places]
    for one in _of(wanted[0]) if wanted else ():
        one.ask_all(wanted)


def there(place: Path) -> bool:
    """Whether something stands at a place, or could be brought there."""
    return place.exists() or ask(place)


def offer(place: Path) -> None:
    """Something whole stands at a place: a folder, or a record with the files it names."""
    for one in _of(place):
        one.offer(place)


def distrust(place: Path) -> None:
    """What stood at a place wasn't whole."""
    for one in _of(place):
        one.distrust(place)


def look_again() -> None:
    """Others have worked: what wasn't to be had may be by now."""
    for one in _joined:
        one.look_again()


def _of(place: Path) -> list[Elsewhere]:
    if not _joined:
        return []
    absolute = os.path.abspath(place)
    return [one for one in _joined if absolute.startswith(f"{one.root}{os.sep}")]
