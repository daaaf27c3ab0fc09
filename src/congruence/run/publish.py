"""A finished configuration published whole: its tables, its record and its pictures appear in one step."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from congruence import __version__
from congruence.progress import working
from congruence.run.schema import FORMAT_VERSION, KIND, NAMES
from congruence.run.stored import CellResult
from congruence.run.tables import put_together
from congruence.storage import (
    atomic_folder,
    content_key,
    generations,
    open_artefact,
    whole_or_none,
    write_artefact,
)

logger = logging.getLogger(__name__)


def publish_run(
    path: Path,
    results: Sequence[CellResult],
    record: Mapping[str, Any],
    draw: Callable[[Path], object] | None = None,
    *,
    more: Callable[[Path], Mapping[str, Any]] | None = None,
) -> str:
    """Put a run's cells together and make them what the run's folder shows.

    The same cells under the same configuration are published once: a later start shows them again.

    Args:
        path: the run's folder.
        results: its cells.
        record: what run.json says.
        draw: draws pictures into the folder it is given, before anybody sees it.
        more: writes further tables there, and gives what the record says of them.

    Returns:
        The configuration's key.

    Raises:
        StorageError: the folder can't be written to.
    """
    config = {name: value for name, value in record["config"].items() if name not in ("runner", "cache")}
    key = content_key(["generation", FORMAT_VERSION, __version__, config, record["uses"]["cells"]])

    def make(folder: Path) -> Mapping[str, Any]:
        put_together(results, folder)
        return {**record, **(more(folder) if more else {})}

    publish_once(path, key, make, kind=KIND, format_version=FORMAT_VERSION, draw=draw)
    return key


def publish_once(
    path: Path,
    key: str,
    make: Callable[[Path], Mapping[str, Any]],
    *,
    kind: str,
    format_version: int,
    draw: Callable[[Path], object] | None,
) -> None:
    """Make a configuration what the run's folder shows; its tables are written unless they are there, whole.

    Args:
        path: the run's folder.
        key: of the configuration.
        make: writes the tables into a folder, and gives what run.json says.
        kind, format_version: of run.json.
        draw: draws pictures into the folder it is given.

    Raises:
        StorageError: the folder can't be written to.
    """

    def proven(place: Path) -> bool:
        open_artefact(place / generations.RECORD, kind, format_version, place=place.name).check()
        return True

    place = path / generations.FOLDER / key
    if whole_or_none(place, proven):
        logger.info("configuration %s: published before, shown again", key)
        _draw(place, draw)
    else:
        with atomic_folder(place) as folder:
            record = make(folder)
            tables = [file.name for file in folder.glob("*.parquet")]
            write_artefact(folder / generations.RECORD, kind, format_version, record, files=tables, place=key)
            _draw(folder, draw)
    generations.publish(path, key, NAMES)


def _draw(place: Path, draw: Callable[[Path], object] | None) -> None:
    if draw is not None:
        with working("draw pictures"):
            draw(place)
