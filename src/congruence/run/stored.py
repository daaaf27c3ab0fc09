"""What one cell gives, and keeping it on disk until the run is put together."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from congruence.storage import (
    NotWhole,
    atomic_folder,
    not_whole_unless_read,
    npz_arrays,
    open_artefact,
    whole_or_none,
    write_artefact,
)

KIND, FORMAT_VERSION = "cell", 4
RECORD, MATCHES, SCORES = "cell.json", "matches.parquet", "null_scores.npz"


@dataclass(frozen=True)
class CellResult:
    """The rows that one cell adds to the results.

    Attributes:
        rows: of results.parquet, without what goes over the grid (see `congruence.run.schema`).
        summary: the row of cells.parquet; empty where this is a part of a cell.
        pairs: the rows of matches.parquet, or what reads them: where a finished run is started again,
            nobody asks for them. `matches` gives them.
        null_scores: (draws,) null scores of each row that was tested, by the row's index; NaN where a draw
            gave none.
        keywords: the rows of concept_keywords.parquet.
        places: names of the folders that it is kept in.
    """

    rows: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    pairs: pd.DataFrame | Callable[[], pd.DataFrame]
    null_scores: Mapping[int, np.ndarray] = field(default_factory=dict)
    keywords: Sequence[Mapping[str, Any]] = ()
    places: tuple[str, ...] = ()

    @property
    def matches(self) -> pd.DataFrame:
        """The rows of matches.parquet."""
        return self.pairs() if callable(self.pairs) else self.pairs

    def joined(self, other: "CellResult") -> "CellResult":
        """This cell with another's rows and keywords after its own."""
        start = len(self.rows)
        scores = {start + index: values for index, values in other.null_scores.items()}
        return replace(
            self,
            rows=[*self.rows, *other.rows],
            null_scores={**self.null_scores, **scores},
            keywords=[*self.keywords, *other.keywords],
            places=(*self.places, *other.places),
        )


def save_cell(result: CellResult, folder: Path) -> None:
    """Write a cell's result as a folder that is whole or absent."""
    with atomic_folder(folder) as temporary:
        result.matches.to_parquet(temporary / MATCHES, index=False)
        scores: dict[str, Any] = {str(row): values for row, values in result.null_scores.items()}
        np.savez(temporary / SCORES, **scores)
        record = {
            "rows": list(result.rows),
            "summary": dict(result.summary),
            "keywords": list(result.keywords),
        }
        write_artefact(
            temporary / RECORD, KIND, FORMAT_VERSION, record, files=[MATCHES, SCORES], place=folder.name
        )


def load_cell(folder: Path) -> CellResult | None:
    """A cell's result, if it is there and as it was written; what isn't is set aside.

    Raises:
        StorageError: it can't be read, or a newer congruence wrote it.
    """
    return whole_or_none(folder, _read)


def rows_and_scores(folder: Path) -> tuple[list[dict[str, Any]], dict[int, np.ndarray]]:
    """The rows that a cell adds to the results, and the null scores behind them, by the row's index.

    Raises:
        NotWhole: they aren't there, or aren't what was written.
    """
    cell = open_artefact(folder / RECORD, KIND, FORMAT_VERSION, place=folder.name)
    return _dicts(cell.record, "rows", folder), _scores(cell.read(SCORES), folder)


def _dicts(record: Mapping[str, Any], name: str, folder: Path) -> list[dict[str, Any]]:
    found = record.get(name)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise NotWhole(f"{folder / RECORD} has no list of {name}")
    return found


def _scores(content: bytes, folder: Path) -> dict[int, np.ndarray]:
    with not_whole_unless_read(folder):
        return {int(name): values for name, values in npz_arrays(content).items()}


def _read(folder: Path) -> CellResult:
    cell = open_artefact(folder / RECORD, KIND, FORMAT_VERSION, place=folder.name)
    stored_scores, stored_matches = cell.read(SCORES), cell.read(MATCHES)
    record = cell.record
    with not_whole_unless_read(folder):
        scores = _scores(stored_scores, folder)
        rows, keywords = _dicts(record, "rows", folder), _dicts(record, "keywords", folder)
        pairs = cache(partial(_pairs, stored_matches, folder))
        return CellResult(rows, dict(record["summary"]), pairs, scores, keywords)


def _pairs(content: bytes, folder: Path) -> pd.DataFrame:
    with not_whole_unless_read(folder):
        return pd.read_parquet(io.BytesIO(content))
