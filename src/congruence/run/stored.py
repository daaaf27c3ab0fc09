"""What one cell gives, and keeping it on disk until the run is put together."""

import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from congruence.storage import atomic_folder, check_header, header, read_json

logger = logging.getLogger(__name__)

KIND, FORMAT_VERSION = "cell", 3


@dataclass(frozen=True)
class CellResult:
    """The rows that one cell adds to the results.

    Attributes:
        rows: of results.parquet, without what goes over the grid (see `congruence.run.schema`).
        summary: the row of cells.parquet; empty where this is a part of a cell.
        matches: the rows of matches.parquet.
        null_scores: (draws,) null scores of each row that was tested, by the row's index; NaN where a draw
            gave none.
        keywords: the rows of concept_keywords.parquet.
    """

    rows: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    matches: pd.DataFrame
    null_scores: Mapping[int, np.ndarray] = field(default_factory=dict)
    keywords: Sequence[Mapping[str, Any]] = ()

    def joined(self, other: "CellResult") -> "CellResult":
        """This cell with another's rows and keywords after its own."""
        start = len(self.rows)
        scores = {start + index: values for index, values in other.null_scores.items()}
        return replace(
            self,
            rows=[*self.rows, *other.rows],
            null_scores={**self.null_scores, **scores},
            keywords=[*self.keywords, *other.keywords],
        )


def save_cell(result: CellResult, folder: Path) -> None:
    """Write a cell's result as a folder that is whole or absent."""
    with atomic_folder(folder) as temporary:
        result.matches.to_parquet(temporary / "matches.parquet", index=False)
        scores: dict[str, Any] = {str(row): values for row, values in result.null_scores.items()}
        np.savez(temporary / "null_scores.npz", **scores)
        record = {
            **header(KIND, FORMAT_VERSION),
            "rows": list(result.rows),
            "summary": dict(result.summary),
            "keywords": list(result.keywords),
        }
        (temporary / "cell.json").write_text(json.dumps(record, default=plain), encoding="utf-8")


def load_cell(folder: Path) -> CellResult | None:
    """A cell's result if it is there and whole, else None."""
    if not (folder / "cell.json").exists():
        return None
    record = read_json(folder / "cell.json")
    check_header(record, KIND, FORMAT_VERSION, folder / "cell.json")
    with np.load(io.BytesIO((folder / "null_scores.npz").read_bytes())) as stored:
        scores = {int(name): stored[name] for name in stored.files}
    matches = pd.read_parquet(folder / "matches.parquet")
    return CellResult(record["rows"], record["summary"], matches, scores, record["keywords"])


def plain(value: Any) -> Any:
    """A numpy value as JSON has it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")
