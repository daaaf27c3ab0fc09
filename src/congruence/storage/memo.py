"""What was found out once is kept in the run's folder, under a key of all that it follows from."""

import importlib.metadata
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from congruence.errors import StorageError
from congruence.storage.artefact import check_header, header
from congruence.storage.atomic import atomic_path, read_json, write_json
from congruence.storage.keys import content_key

KIND, FORMAT = "memo", 1


class Memo:
    """A folder of small answers: shapes of models, listings, token ids.

    Args:
        folder: where they are kept; None keeps nothing, so that each is computed when it is asked for.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def value(self, kind: str, of: Any, compute: Callable[[], Any]) -> Any:
        """The JSON-like answer of this kind that follows from `of`, computed where it isn't kept yet."""
        found = self.look_up(kind, of)
        if found is None:
            found = compute()
            self.keep(kind, of, found)
        return found

    def look_up(self, kind: str, of: Any) -> Any:
        """The kept answer; None where there is none that can be read."""
        if self.folder is None:
            return None
        place = self._place(kind, of, "json")
        try:
            record = read_json(place)
            check_header(record, KIND, FORMAT, place)
        except StorageError:
            return None
        return record["value"]

    def keep(self, kind: str, of: Any, value: Any) -> None:
        """Write an answer down.

        Raises:
            StorageError: the folder can't be written.
        """
        if self.folder is not None:
            write_json(self._place(kind, of, "json"), header(KIND, FORMAT) | {"about": kind, "value": value})

    def arrays(
        self, kind: str, of: Any, compute: Callable[[], Mapping[str, np.ndarray]]
    ) -> Mapping[str, np.ndarray]:
        """The same for named arrays."""
        if self.folder is None:
            return compute()
        place = self._place(kind, of, "npz")
        try:
            with np.load(place, allow_pickle=False) as kept:
                return {name: kept[name] for name in kept.files}
        except Exception:  # missing, or whatever numpy and zipfile raise on broken bytes
            found = compute()
        with atomic_path(place) as temporary, temporary.open("wb") as handle:
            np.savez(handle, **dict[str, Any](found))
        return found

    def _place(self, kind: str, of: Any, ending: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{kind}-{content_key([kind, FORMAT, _version(), of])}.{ending}"


@cache
def _version() -> str:
    """Of this package: another one may find other answers."""
    return importlib.metadata.version("congruence")
