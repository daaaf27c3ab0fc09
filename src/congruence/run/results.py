"""Reading a finished run: its tables, checked, with every column of the schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.errors import InputError, StorageError, unknown_name
from congruence.run.schema import TABLES, Column, blank
from congruence.storage import check_header, read_json

KIND, FORMAT_VERSION = "run", 2


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
            return pd.DataFrame(columns=[column.name for column in TABLES["matches"]])
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
            measure: its label in the results, or its name where the run has it with one set of options.
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
            variants = [label for label in there if str(label).startswith(f"{name}(")]
            if column == "measure" and name not in there and len(variants) == 1:
                name = variants[0]
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
    if missing := [c.name for c in TABLES[name] if c.needed and c.name not in table.columns]:
        raise StorageError(f"{path} has no column {missing[0]!r}: an older congruence wrote it; run again")
    return _complete(table, TABLES[name])


def _complete(table: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Every column; lists and mappings as Python's own, where Parquet gives arrays and absent keys."""
    read = {"texts": _listed, "records": _listed, "record": _present}
    whole = {}
    for column in columns:
        if column.name not in table.columns:
            whole[column.name] = pd.Series([blank(column)] * len(table), table.index)
        elif column.kind in read:
            values = [read[column.kind](cell) for cell in table[column.name]]
            whole[column.name] = pd.Series(values, table.index, dtype=object)
        else:
            whole[column.name] = table[column.name]
    others = {name: table[name] for name in table.columns if name not in whole}
    return pd.DataFrame({**whole, **others})


def _listed(cell: Any) -> list[Any]:
    return list(cell) if isinstance(cell, (list, tuple, np.ndarray)) else []


def _present(cell: Any) -> dict[str, Any]:
    return {k: v for k, v in cell.items() if v is not None} if isinstance(cell, dict) else {}
