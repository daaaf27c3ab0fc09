"""Every cell of a run, from disk where it is finished, its concepts beside it under a key of their own."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from congruence.progress import Progress
from congruence.run.captures import Captures
from congruence.run.cell_result import CellResult, load_cell, save_cell
from congruence.run.concepts.stage import ConceptStage
from congruence.run.grid import Cell
from congruence.run.pipeline import Settings, compute_cell
from congruence.run.runners import serial
from congruence.storage import content_key

logger = logging.getLogger(__name__)


def run_cells(
    cells: Sequence[Cell],
    captures: Captures,
    settings: Settings,
    folder: Path,
    *,
    concepts: ConceptStage | None,
    progress: Progress,
) -> list[CellResult]:
    """The results of all cells, in order; what is finished in `folder` is read and not computed again.

    A cell and its concepts are kept apart: adding concepts to a finished run doesn't repeat its grid.
    """

    def work(cell: Cell) -> CellResult:
        parts = [settings.key_parts(), cell.control, captures.key(cell.a), captures.key(cell.b)]
        result = _finished_or(
            folder / f"{cell.name}-{content_key(parts)}",
            f"cell {cell.name}",
            lambda: compute_cell(cell, captures.features(cell.a), captures.features(cell.b), settings),
        )
        if concepts is None or not concepts.covers(cell):
            return result
        return result.joined(_concepts_of(cell, result, concepts, parts, folder))

    results = []
    progress.advance("compare layer pairs", 0, len(cells), "pairs")
    for result in serial.run(work, cells):
        results.append(result)
        progress.advance("compare layer pairs", len(results), len(cells), "pairs")
    return results


def _concepts_of(
    cell: Cell, result: CellResult, concepts: ConceptStage, parts: list[Any], folder: Path
) -> CellResult:
    key = content_key([*parts, concepts.key_parts(), concepts.phrase_keys(cell)])
    return _finished_or(
        folder / f"{cell.name}-concepts-{key}",
        f"concepts of cell {cell.name}",
        lambda: concepts.result(cell, result.matches),
    )


def _finished_or(place: Path, name: str, compute: Callable[[], CellResult]) -> CellResult:
    if (finished := load_cell(place)) is not None:
        logger.info("%s: finished before, read from %s", name, place.name)
        return finished
    result = compute()
    save_cell(result, place)
    return result
