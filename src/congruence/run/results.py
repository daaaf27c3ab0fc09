"""The results store: cells put together into Parquet files, and reading a finished run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from congruence.errors import InputError, StorageError, unknown_name
from congruence.storage import atomic_path, check_header, read_json

if TYPE_CHECKING:
    from congruence.run.cell_result import CellResult

KIND, FORMAT_VERSION = "run", 2
GRID = ["control", "control_side", "concept", "subspace", "measure", "null"]
"""Rows that agree in these are one grid: q-values and max-T are computed over it."""

_NEEDED = {
    "results": ("control", "concept", "layer_a", "layer_b", "measure", "value", "n", "null", "p", "q"),
    "cells": (
        "control", "layer_a", "layer_b", "pairs_before", "pairs_after", "mean_r_before", "mean_r_after",
    ),
    "matches": ("control", "layer_a", "layer_b", "feature_a", "feature_b", "r", "kept"),
    "concept_keywords": (
        "concept", "layer_a", "layer_b", "keyword", "features_a", "features_b", "pairs", "ratio",
    ),
}  # fmt: skip
_DEFAULTS: dict[str, dict[str, Any]] = {
    "results": {
        "control_side": "", "subspace": "all", "draws": 0, "scored": np.nan, "null_mean": np.nan,
        "null_q05": np.nan, "null_q95": np.nan, "z": np.nan, "p_max_t": np.nan, "alternative": "greater",
        "low": np.nan, "high": np.nan, "interval": "", "calibrated": np.nan, "ceiling": np.nan,
        "details": None, "warnings": None,
    },
    "cells": {"control_side": "", "removed": None},
    "matches": {
        "control_side": "", "firings_a": -1, "firings_b": -1, "cofirings": -1,
        "top_tokens_a": None, "top_tokens_b": None,
    },
    "concept_keywords": {"without": None, "change": None},
}  # fmt: skip
"""Columns that a table may lack, with what they read as then."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: its folder.
        info: run.json: resolved config, versions, seeds, keys, sides, corpus.
        results: one row a control, concept, layer pair, measure and null.
        cells: one row a control and layer pair: alive features, pairs before and after filtering.

    In `results`, ``warnings`` is a list of sentences and ``details`` a mapping; in `cells`, ``removed`` is a
    list of mappings of ``step`` and ``pairs``.
    """

    path: Path
    info: dict[str, Any]
    results: pd.DataFrame
    cells: pd.DataFrame

    @property
    def config(self) -> dict[str, Any]:
        """The configuration, with every default filled in."""
        return self.info["config"]

    @property
    def corpus(self) -> dict[str, Any]:
        """What run.json says of the text: documents, tokens, kept_tokens, coverage_a and coverage_b."""
        return self.info.get("corpus") or {}

    @property
    def real_cells(self) -> pd.DataFrame:
        """Layer pairs of the comparison itself, controls left out."""
        return cast(pd.DataFrame, self.cells[self.cells.control == "none"])

    @property
    def pair_counts(self) -> tuple[int, int]:
        """Pairs matched over the whole grid, and how many of them the filters left."""
        before, after = (np.nansum(self.real_cells[f"pairs_{stage}"]) for stage in ("before", "after"))
        return int(before), int(after)

    @property
    def matches(self) -> pd.DataFrame:
        """Every pair of every cell, read from disk at each call."""
        return _table(self.path, "matches")

    def matches_of(self, layer_a: int, layer_b: int, *, control: str = "none") -> pd.DataFrame:
        """The pairs of one cell; only that cell's rows are read. A run without matches gives none."""
        if not (self.path / "matches.parquet").exists():
            return pd.DataFrame(columns=[*_NEEDED["matches"], *_DEFAULTS["matches"]])
        cell = [("control", "==", control), ("layer_a", "==", layer_a), ("layer_b", "==", layer_b)]
        return _table(self.path, "matches", filters=cell)

    def side_name(self, side: str) -> str:
        """What a side is called in pictures; told apart by (a) and (b) where both have one name."""
        names = {key: str(self.info["sides"][key].get("name") or f"model {key}") for key in ("a", "b")}
        return f"{names[side]} ({side})" if names["a"] == names["b"] else names[side]

    @property
    def concept_keywords(self) -> pd.DataFrame:
        """Which keywords the matched features of each concept fire on, read from disk at each call."""
        path = self.path / "concept_keywords.parquet"
        if not path.exists():
            raise InputError(f"{self.path} compared no concepts: give its configuration a section concepts:")
        return _table(self.path, "concept_keywords")

    def grid(
        self,
        measure: str,
        value: str = "value",
        *,
        control: str = "none",
        concept: str = "all",
        subspace: str | None = None,
        null: str | None = None,
    ) -> pd.DataFrame:
        """One column of the results as a table, layers of A down and layers of B across.

        Args:
            measure: its label in the results.
            value: the column.
            control: "none" for the comparison itself, else a control.
            concept: a concept subspace; "all" for the whole space.
            subspace: its kind where one name has two: "overlap" or "interaction".
            null: name of the null; by default "pairing", or the only one there is.
        """
        if value not in self.results.columns:
            raise InputError(unknown_name("column", value, self.results.columns))
        rows = self._rows(measure, control, concept, subspace, null)
        return rows.pivot(index="layer_a", columns="layer_b", values=value)

    def best(self, measure: str, *, concept: str = "all", null: str | None = None) -> pd.Series:
        """The row of the layer pair that scores highest."""
        chosen = self._rows(measure, "none", concept, None, null)
        if chosen.value.notna().sum() == 0:
            raise InputError(f"no layer pair has a score of {measure!r}: see the warnings column")
        return chosen.loc[chosen.value.idxmax()]

    def _rows(
        self, measure: str, control: str, concept: str, subspace: str | None, null: str | None
    ) -> pd.DataFrame:
        """The rows of one grid under one null; one that doesn't exist is named with what there is."""
        rows = self.results
        usual = {"subspace": ("overlap",), "null": ("pairing",)}
        asked = {
            "control": control,
            "concept": concept,
            "measure": measure,
            "subspace": subspace,
            "null": null,
        }
        for column, given in asked.items():
            there = rows[column].unique().tolist()
            name = given or next((known for known in usual[column] if known in there), there[0])
            if name not in there:
                raise InputError(unknown_name(column, name, there))
            rows = cast(pd.DataFrame, rows[rows[column] == name])
        return rows


def load_run(path: str | Path) -> Run:
    """Read a finished run's folder.

    Raises:
        StorageError: it isn't one, a file is missing or broken, or another version wrote it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise StorageError(f"{folder} isn't a folder: name the folder that `congruence run --out` wrote")
    info = _record(folder / "run.json")
    results, cells = _table(folder, "results"), _table(folder, "cells")
    if results.empty:
        raise StorageError(f"{folder / 'results.parquet'} holds no rows: run again")
    return Run(folder, info, results, cells)


def _record(path: Path) -> dict[str, Any]:
    """run.json, if this version can read what it describes."""
    info = read_json(path)
    check_header(info, KIND, FORMAT_VERSION, path)
    version = info.get("format_version", 0)
    if version < FORMAT_VERSION:
        raise StorageError(
            f"{path} has format {version}, older than this congruence reads ({FORMAT_VERSION}): run again"
        )
    sides = info.get("sides")
    if not isinstance(sides, dict) or not all(isinstance(sides.get(side), dict) for side in ("a", "b")):
        raise StorageError(f"{path} doesn't name the sides a and b: run again")
    return info


def _table(folder: Path, name: str, **options: Any) -> pd.DataFrame:
    """One of the run's tables with every column that readers rely on."""
    path = folder / f"{name}.parquet"
    if not path.exists():
        raise StorageError(f"{path} doesn't exist: the run isn't finished; give the same command again")
    try:
        table = pd.read_parquet(path, **options)
    except Exception as error:  # pyarrow raises many kinds for a broken file
        reason = " ".join(str(error).split())[:120]
        raise StorageError(f"{path} can't be read ({reason}): remove it and run again") from error
    if missing := [column for column in _NEEDED[name] if column not in table.columns]:
        raise StorageError(f"{path} has no column {missing[0]!r}: an older congruence wrote it; run again")
    return _nested(_with_defaults(table, _DEFAULTS[name]))


def _with_defaults(table: pd.DataFrame, defaults: dict[str, Any]) -> pd.DataFrame:
    table = table.assign(**{name: value for name, value in defaults.items() if name not in table.columns})
    return table.fillna({name: value for name, value in defaults.items() if isinstance(value, str)})


def _nested(table: pd.DataFrame) -> pd.DataFrame:
    """Lists and mappings as Python's own: Parquet gives an absent key as None and a list as an array."""
    for column in {"warnings", "removed", "without", "change"} & set(table.columns):
        table[column] = pd.Series([_listed(cell) for cell in table[column]], table.index, dtype=object)
    if "details" in table.columns:
        kept = [_present(cell) for cell in table["details"]]
        table["details"] = pd.Series(kept, table.index, dtype=object)
    return table


def _listed(cell: Any) -> list[Any]:
    return list(cell) if isinstance(cell, (list, tuple, np.ndarray)) else []


def _present(cell: Any) -> dict[str, Any]:
    return {k: v for k, v in cell.items() if v is not None} if isinstance(cell, dict) else {}


def put_together(results: "Iterable[CellResult]", folder: Path) -> None:
    """Write results, cells, matches and concept_keywords as Parquet files, p adjusted over each grid."""
    results = list(results)
    table = pd.DataFrame([row for result in results for row in result.rows])
    scores = [result.null_scores.get(i) for result in results for i in range(len(result.rows))]
    _write(adjusted(table, scores), folder / "results.parquet")
    _write(pd.DataFrame([result.summary for result in results]), folder / "cells.parquet")
    matches = [result.matches for result in results if len(result.matches)] or [results[0].matches]
    _write(pd.concat(matches, ignore_index=True), folder / "matches.parquet")
    keywords = [row for result in results for row in result.keywords]
    if keywords:
        _write(pd.DataFrame(keywords), folder / "concept_keywords.parquet")
    else:
        (folder / "concept_keywords.parquet").unlink(missing_ok=True)


def adjusted(table: pd.DataFrame, scores: list[np.ndarray | None]) -> pd.DataFrame:
    """The results with columns q (Benjamini-Hochberg) and p_max_t, each over its own grid."""
    from congruence.significance import benjamini_hochberg, max_t

    table = table.assign(q=np.nan, p_max_t=np.nan)
    for _, rows in table.groupby(GRID, sort=False):
        tested = [i for i in rows.index if scores[i] is not None and np.isfinite(table.at[i, "p"])]
        if not tested:
            continue
        table.loc[tested, "q"] = benjamini_hochberg(table.loc[tested, "p"].to_numpy())
        draws = np.stack([scores[i] for i in tested])  # type: ignore[arg-type]
        alternative = table.at[tested[0], "alternative"]
        observed = table.loc[tested, "value"].to_numpy()
        table.loc[tested, "p_max_t"] = max_t(observed, draws, alternative=alternative)
    return table


def _write(table: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
