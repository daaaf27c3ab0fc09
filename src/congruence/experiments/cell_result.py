"""What one cell gives, and keeping it on disk until the run is put together."""

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from congruence.storage import atomic_folder, header, read_json
from congruence.storage.artefact import check_header

logger = logging.getLogger(__name__)

KIND, FORMAT_VERSION = "cell", 1


@dataclass(frozen=True)
class CellResult:
    """The rows that one cell adds to the results.

    Attributes:
        rows: one a measure (and concept), by the columns of results.parquet without q and p_max_t.
        summary: the row of cells.parquet.
        matches: the rows of matches.parquet.
        null_scores: (draws,) null scores of each row that has them, by the row's index.
    """

    rows: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    matches: pd.DataFrame
    null_scores: Mapping[int, np.ndarray] = field(default_factory=dict)


def save_cell(result: CellResult, folder: Path) -> None:
    """Write a cell's result as a folder that is whole or absent."""
    import json

    with atomic_folder(folder) as temporary:
        result.matches.to_parquet(temporary / "matches.parquet", index=False)
        scores: dict[str, Any] = {str(row): values for row, values in result.null_scores.items()}
        np.savez(temporary / "null_scores.npz", **scores)
        record = {**header(KIND, FORMAT_VERSION), "rows": list(result.rows), "summary": dict(result.summary)}
        (temporary / "cell.json").write_text(json.dumps(record, default=_plain), encoding="utf-8")


def load_cell(folder: Path) -> CellResult | None:
    """A cell's result if it is there and whole, else None."""
    if not (folder / "cell.json").exists():
        return None
    record = read_json(folder / "cell.json")
    check_header(record, KIND, FORMAT_VERSION, folder / "cell.json")
    with np.load(io.BytesIO((folder / "null_scores.npz").read_bytes())) as stored:
        scores = {int(name): stored[name] for name in stored.files}
    matches = pd.read_parquet(folder / "matches.parquet")
    return CellResult(record["rows"], record["summary"], matches, scores)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")
