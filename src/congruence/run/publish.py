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
    place = path / generations.FOLDER / key
    if whole_or_none(place, _proven):
        logger.info("configuration %s: published before, shown again", key)
        _draw(place, draw)
    else:
        with atomic_folder(place) as folder:
            put_together(results, folder)
            record = {**record, **(more(folder) if more else {})}
            tables = [file.name for file in folder.glob("*.parquet")]
            write_artefact(folder / generations.RECORD, KIND, FORMAT_VERSION, record, files=tables, place=key)
            _draw(folder, draw)
    generations.publish(path, key, NAMES)
    return key


def _draw(place: Path, draw: Callable[[Path], object] | None) -> None:
    if draw is not None:
        with working("draw pictures"):
            draw(place)


def _proven(place: Path) -> bool:
    open_artefact(place / generations.RECORD, KIND, FORMAT_VERSION, place=place.name).check()
    return True
