"""Named arrays with a record beside them that says what they are and holds their checksum."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from congruence.storage.artefact import NotWhole, not_whole_unless_read, open_artefact, write_artefact
from congruence.storage.atomic import atomic_path
from congruence.storage.npz import npz_arrays


def write_arrays(
    path: Path, kind: str, format_version: int, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write arrays into ``NAME.npz`` and the record that proves them, ``NAME.json``, last.

    Args:
        path: of the record; its name says what it is, so that it is believed under no other.
        kind, format_version, record: as for `write_artefact`.
        arrays: by name.

    Raises:
        StorageError: they can't be written.
    """
    file = path.with_suffix(".npz")
    with atomic_path(file) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **dict[str, Any](arrays))
    write_artefact(path, kind, format_version, record, files=[file.name], place=path.stem)


def read_arrays(
    path: Path, kind: str, format_version: int, about: Mapping[str, Any] | None = None
) -> dict[str, np.ndarray]:
    """The arrays, by the path of their record.

    Args:
        path, kind, format_version: as they were written.
        about: what the record must say; another value is somebody else's.

    Raises:
        NotWhole: they aren't there, or aren't what was written for this.
    """
    opened = open_artefact(path, kind, format_version, place=path.stem)
    if any(opened.record.get(name) != value for name, value in (about or {}).items()):
        raise NotWhole(f"{path} was written for something else")
    content = opened.read(path.with_suffix(".npz").name)
    with not_whole_unless_read(path):
        return npz_arrays(content)


def packed(strings: Sequence[str]) -> dict[str, np.ndarray]:
    """Strings as two arrays to keep beside others: `strings`, their bytes, and `string_offsets`."""
    encoded = [string.encode("utf-8", "surrogatepass") for string in strings]
    return {
        "strings": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "string_offsets": np.append(0, np.cumsum([len(one) for one in encoded])).astype(np.int64),
    }


def unpacked(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """The strings that `packed` made arrays of; half a surrogate pair is replaced."""
    content, offsets = arrays["strings"].tobytes(), arrays["string_offsets"].tolist()
    return [content[start:stop].decode("utf-8", "replace") for start, stop in itertools.pairwise(offsets)]
