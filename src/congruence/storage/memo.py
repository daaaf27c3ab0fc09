"""What was found out once is kept in the run's folder, under a key of all that it follows from."""

import importlib.metadata
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from congruence.storage.arrays import read_arrays, write_arrays
from congruence.storage.artefact import Artefact, open_artefact, whole_or_none, write_artefact
from congruence.storage.keys import content_key

KIND, FORMAT = "memo", 2


class Memo:
    """A folder of small answers: shapes of models, listings, token ids.

    Args:
        folder: where they are kept; None keeps nothing, so that each is computed when it is asked for.

    Attributes:
        used: names of the answers that were asked for.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.used: set[str] = set()

    def value(self, kind: str, of: Any, compute: Callable[[], Any]) -> Any:
        """The JSON-like answer of this kind that follows from `of`, computed where it isn't kept yet."""
        found = self.look_up(kind, of)
        if found is None:
            found = compute()
            self.keep(kind, of, found)
        return found

    def look_up(self, kind: str, of: Any) -> Any:
        """The kept answer; None where there is none that can be believed."""
        if self.folder is None:
            return None
        kept = whole_or_none(self._place(kind, of), _opened)
        return None if kept is None else kept.record.get("value")

    def keep(self, kind: str, of: Any, value: Any) -> None:
        """Write an answer down.

        Raises:
            StorageError: the folder can't be written.
        """
        if self.folder is not None:
            place = self._place(kind, of)
            write_artefact(place, KIND, FORMAT, {"about": kind, "value": value}, place=place.stem)

    def arrays(
        self, kind: str, of: Any, compute: Callable[[], Mapping[str, np.ndarray]]
    ) -> Mapping[str, np.ndarray]:
        """The same for named arrays."""
        if self.folder is None:
            return compute()
        place = self._place(kind, of)
        if (kept := whole_or_none(place, arrays_in)) is not None:
            return kept
        found = compute()
        write_arrays(place, KIND, FORMAT, {"about": kind}, found)
        return found

    def name(self, kind: str, of: Any) -> str:
        """What an answer's files are called, without their endings."""
        return f"{kind}-{content_key([kind, FORMAT, _version(), of])}"

    def _place(self, kind: str, of: Any) -> Path:
        assert self.folder is not None
        name = self.name(kind, of)
        self.used.add(name)
        return self.folder / f"{name}.json"


def _opened(place: Path) -> Artefact:
    return open_artefact(place, KIND, FORMAT, place=place.stem)


def arrays_in(place: Path) -> Mapping[str, np.ndarray]:
    """The arrays of an answer, by the path of its record.

    Raises:
        NotWhole: they aren't there, or aren't what was written.
    """
    return read_arrays(place, KIND, FORMAT)


@cache
def _version() -> str:
    """Of this package: another one may find other answers."""
    return importlib.metadata.version("congruence")
