"""Read-only access to the folder of a finished run. Imports nothing that computes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.errors import StorageError
from congruence.storage import check_header, read_json

KIND, FORMAT_VERSION = "run", 1

_RESULT_COLUMNS = ("control", "concept", "layer_a", "layer_b", "measure", "value", "n", "null", "p", "q")
_CELL_COLUMNS = (
    "control",
    "layer_a",
    "layer_b",
    "pairs_before",
    "pairs_after",
    "mean_r_before",
    "mean_r_after",
)
_MATCH_COLUMNS = ("control", "layer_a", "layer_b", "feature_a", "feature_b", "r", "kept")
_RESULT_DEFAULTS: dict[str, Any] = {
    "control_side": "", "subspace": "all", "draws": 0, "null_mean": np.nan, "null_q05": np.nan,
    "null_q95": np.nan, "p_max_t": np.nan, "alternative": "greater",
    "warnings": "", "details": "{}",
}  # fmt: skip
_CELL_DEFAULTS: dict[str, Any] = {"control_side": "", "removed": "{}"}
_MATCH_DEFAULTS: dict[str, Any] = {
    "control_side": "", "firings_a": -1, "firings_b": -1, "cofirings": -1,
    "top_tokens_a": None, "top_tokens_b": None,
}  # fmt: skip


@dataclass(frozen=True)
class FinishedRun:
    """What a finished run left on disk.

    Attributes:
        path: its folder.
        info: run.json.
        results: one row a control, concept, layer pair, measure and null.
        cells: one row a control and layer pair.
    """

    path: Path
    info: dict[str, Any]
    results: pd.DataFrame
    cells: pd.DataFrame

    @property
    def corpus(self) -> dict[str, Any]:
        """What run.json says of the text."""
        return self.info.get("corpus") or {}

    def side_name(self, side: str) -> str:
        """What a side is called in pictures; told apart by (a) and (b) where both have one name."""
        names = {key: str(self.info["sides"][key].get("name") or f"model {key}") for key in ("a", "b")}
        return f"{names[side]} ({side})" if names["a"] == names["b"] else names[side]

    def real_cells(self) -> pd.DataFrame:
        """Layer pairs of the comparison itself, controls left out."""
        return where(self.cells, self.cells.control == "none")

    def pair_counts(self) -> tuple[int, int]:
        """Pairs matched over the whole grid, and how many of them the filters left."""
        before, after = (np.nansum(self.real_cells()[f"pairs_{stage}"]) for stage in ("before", "after"))
        return int(before), int(after)

    def matches(self, layer_a: int, layer_b: int, *, control: str = "none") -> pd.DataFrame:
        """The pairs of one cell. Only that cell's rows are read; a run without matches gives none."""
        path = self.path / "matches.parquet"
        if not path.exists():
            return pd.DataFrame(columns=[*_MATCH_COLUMNS, *_MATCH_DEFAULTS])
        cell = [("control", "==", control), ("layer_a", "==", layer_a), ("layer_b", "==", layer_b)]
        return _with_defaults(_parquet(path, _MATCH_COLUMNS, filters=cell), _MATCH_DEFAULTS)


def read_run(path: str | Path) -> FinishedRun:
    """Read a finished run's folder.

    Raises:
        StorageError: it isn't one, a file is missing or broken, or a newer version wrote it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise StorageError(f"{folder} isn't a folder: name the folder that `congruence run --out` wrote")
    info = read_json(folder / "run.json")
    check_header(info, KIND, FORMAT_VERSION, folder / "run.json")
    sides = info.get("sides")
    if not isinstance(sides, dict) or not all(isinstance(sides.get(side), dict) for side in ("a", "b")):
        raise StorageError(f"{folder / 'run.json'} doesn't name the sides a and b: run again")
    results = _with_defaults(_parquet(folder / "results.parquet", _RESULT_COLUMNS), _RESULT_DEFAULTS)
    cells = _with_defaults(_parquet(folder / "cells.parquet", _CELL_COLUMNS), _CELL_DEFAULTS)
    if results.empty:
        raise StorageError(f"{folder / 'results.parquet'} holds no rows: run again")
    return FinishedRun(folder, info, results, cells)


def where(table: pd.DataFrame, keep: Any) -> pd.DataFrame:
    """The rows of a table that a boolean mask keeps."""
    return cast(pd.DataFrame, table.loc[keep])


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain mappings."""
    return cast(list[dict[str, Any]], table.to_dict("records"))


def _parquet(path: Path, columns: Sequence[str], **options: Any) -> pd.DataFrame:
    if not path.exists():
        raise StorageError(f"{path} doesn't exist: the run isn't finished; give the same command again")
    try:
        table = pd.read_parquet(path, **options)
    except Exception as error:  # pyarrow raises many kinds for a broken file
        reason = " ".join(str(error).split())[:120]
        raise StorageError(f"{path} can't be read ({reason}): remove it and run again") from error
    if missing := [name for name in columns if name not in table.columns]:
        raise StorageError(f"{path} has no column {missing[0]!r}: an older congruence wrote it; run again")
    return table


def _with_defaults(table: pd.DataFrame, defaults: dict[str, Any]) -> pd.DataFrame:
    table = table.assign(**{name: value for name, value in defaults.items() if name not in table.columns})
    texts = {name: value for name, value in defaults.items() if isinstance(value, str)}
    return table.fillna(texts)
