"""The results store: cells put together into Parquet files, and reading a finished run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from congruence.errors import InputError, unknown_name
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
    def matches(self) -> pd.DataFrame:
        """Every pair of every cell, read from disk at each call."""
        return pd.read_parquet(self.path / "matches.parquet")

    @property
    def concept_keywords(self) -> pd.DataFrame:
        """Which keywords the matched features of each concept fire on, read from disk at each call."""
        path = self.path / "concept_keywords.parquet"
        if not path.exists():
            raise InputError(f"{self.path} compared no concepts: give its configuration a section concepts:")
        return pd.read_parquet(path)

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
        StorageError: the folder isn't a finished run.
    """
    folder = Path(path)
    info = read_json(folder / "run.json")
    check_header(info, KIND, FORMAT_VERSION, folder / "run.json")
    return Run(
        folder, info, pd.read_parquet(folder / "results.parquet"), pd.read_parquet(folder / "cells.parquet")
    )
