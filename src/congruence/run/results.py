"""Reading a finished run: its tables, checked, with every column of the schema."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.errors import InputError, StorageError, quoted, unknown_name
from congruence.run.best import best_row, first_null, leading, scores_of
from congruence.run.columns import Column, blank
from congruence.run.reading import Reading
from congruence.run.remote import fetch_run
from congruence.run.schema import FORMAT_VERSION, KIND, TABLES, UNSEALED
from congruence.storage import (
    Artefact,
    NotWhole,
    Older,
    OtherKind,
    generations,
    not_whole_unless_read,
    open_artefact,
)
from congruence.storage.objects import is_url
from congruence.storage.places import stands_for_something
from congruence.storage.run_folder import PAIRS

AGAIN = "give the command of the run again"


@dataclass(frozen=True, repr=False, eq=False)
class Run(Reading):
    """A finished run.

    Everything is read from one generation of the run's folder, whatever is published there meanwhile.

    Attributes:
        path: the run's folder.
        info: run.json: resolved config, versions, seeds, keys, sides, corpus.
        results: one row a control, concept, layer pair, measure and null.
        cells: one row a control and layer pair: alive features, pairs before and after filtering.
        folder: where its tables and pictures lie, inside `path`.

    In `results`, ``warnings`` is a list of sentences and ``details`` a mapping; in `cells`, ``removed`` is a
    list of mappings of ``step`` and ``pairs``.
    """

    path: Path
    info: dict[str, Any]
    results: pd.DataFrame
    cells: pd.DataFrame
    folder: Path

    @property
    def configuration(self) -> str:
        """Key of its configuration, by which `load_run` finds it among others in one folder; "" for none."""
        return self.folder.name if self.folder.parent.name == generations.FOLDER else ""

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
        return self._table("matches")

    def matches_of(self, layer_a: int, layer_b: int, *, control: str = "none") -> pd.DataFrame:
        """The pairs of one cell; only that cell's rows are read. A run without matches gives none."""
        if not self.holds("matches"):
            return pd.DataFrame(columns=[column.name for column in TABLES["matches"]])
        cell = [("control", "==", control), ("layer_a", "==", layer_a), ("layer_b", "==", layer_b)]
        return self._table("matches", filters=cell)

    def rows_of_cells(self, table: str, cells: Iterable[tuple[str, int, int]]) -> Any:
        """The rows of some cells as an Arrow table with the columns that the file has.

        Args:
            table: its name.
            cells: control and layers of each; rows of other cells aren't read.

        Raises:
            StorageError: the table can't be believed.
        """
        wanted = [
            [("control", "==", control), ("layer_a", "==", a), ("layer_b", "==", b)]
            for control, a, b in cells
        ]
        with believed():
            path = _proven(_record(self.folder), table)
            with not_whole_unless_read(path):
                import pyarrow.parquet as pq

                return pq.read_table(path, filters=wanted)

    def columns_of(self, table: str, names: Sequence[str], filters: Any = None) -> pd.DataFrame:
        """Some columns of a table, and of it the rows that pass; nothing else is read.

        Args:
            table: its name.
            names: columns of the schema.
            filters: as pyarrow takes them.

        Raises:
            StorageError: the table can't be believed.
        """
        with believed():
            path = _proven(_record(self.folder), table)
            with not_whole_unless_read(path):
                return pd.read_parquet(path, columns=[*names], filters=filters)

    def holds(self, table: str) -> bool:
        """Whether the run has a table."""
        file = f"{table}.parquet"
        return file in self.info["files"] if "files" in self.info else (self.folder / file).exists()

    def _table(self, name: str, **options: Any) -> pd.DataFrame:
        with believed():
            return stored_table(_record(self.folder), name, **options)

    def side_name(self, side: str) -> str:
        """What a side is called in pictures; told apart by (a) and (b) where both have one name."""
        names = {key: str(self.info["sides"][key].get("name") or f"model {key}") for key in ("a", "b")}
        return f"{names[side]} ({side})" if names["a"] == names["b"] else names[side]

    def _verdicts(self) -> pd.DataFrame:
        self._verdict_record()
        return self._table("features")

    @property
    def concept_keywords(self) -> pd.DataFrame:
        """Which keywords the matched features of each concept fire on, read from disk at each call."""
        if not self.holds("concept_keywords"):
            raise InputError(f"{self.path} compared no concepts: give its configuration a section concepts:")
        return self._table("concept_keywords")

    @property
    def transfer(self) -> pd.DataFrame:
        """What `function: transfer` gives: maps by layer pair and direction, and their nulls."""
        return self._of_function("transfer", "transfer")

    @property
    def stitching(self) -> pd.DataFrame:
        """Next-token loss of each model that goes on from the other's mapped states."""
        return self._of_function("stitching", "stitching")

    @property
    def function(self) -> pd.DataFrame:
        """Whether paired features do the same: a row a layer pair and question, beside its null."""
        return self._of_function("function", "logit_weights")

    @property
    def substitution(self) -> pd.DataFrame:
        """The pairs, and hard negatives, that `function: substitution` took out and replaced."""
        return self._of_function("substitution", "substitution")

    def _of_function(self, table: str, name: str) -> pd.DataFrame:
        if not self.holds(table):
            raise InputError(f"{self.path} asked for no {name}: give its configuration function: {name}")
        return self._table(table)

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
        if rows.duplicated(["layer_a", "layer_b"]).any():
            raise InputError(f"the results hold {measure!r} of a layer pair more than once: run again")
        return rows.pivot(index="layer_a", columns="layer_b", values=value)

    def best(
        self,
        measure: str | None = None,
        *,
        control: str = "none",
        concept: str = "all",
        subspace: str | None = None,
        null: str | None = None,
    ) -> pd.Series:
        """The row of the best layer pair: the one that the report and its figures name.

        The highest score of those that stand after correction, else of those tested, else of all.

        Args:
            measure: as for `grid`; by default the one that leads the report.
            control, concept, subspace, null: as for `grid`.

        Raises:
            InputError: there is no such name, or no layer pair has a score.
        """
        best = best_row(self._rows(measure, control, concept, subspace, null))
        if best is None:
            named = "" if measure is None else f" of {measure!r}"
            raise InputError(f"no layer pair has a score{named}: see the warnings column")
        return best

    def _rows(
        self, measure: str | None, control: str, concept: str, subspace: str | None, null: str | None
    ) -> pd.DataFrame:
        """The rows of one grid under one null; one that doesn't exist is named with what there is."""
        rows = self.results
        asked = {
            "control": control,
            "concept": concept,
            "measure": measure,
            "subspace": subspace,
            "null": null,
        }
        for column, given in asked.items():
            there = rows[column].unique().tolist()
            name = given or _usual(column, there, rows)
            variants = [label for label in there if str(label).startswith(f"{name}(")]
            if column == "measure" and name not in there and len(variants) == 1:
                name = variants[0]
            if name not in there:
                raise InputError(unknown_name(column, name, there))
            rows = cast(pd.DataFrame, rows[rows[column] == name])
        return rows


def _usual(column: str, there: list[str], rows: pd.DataFrame) -> str:
    """The name that is meant where none is given."""
    if column == "measure":
        of_measure = [rows[rows.measure == name] for name in there]
        grids = [of[of.null == first_null(of.null.unique().tolist())] for of in of_measure]
        return there[leading(there, [scores_of(cast(pd.DataFrame, grid)) for grid in grids])]
    if column == "subspace" and "overlap" in there:
        return "overlap"
    return first_null(there) if column == "null" else there[0]


def load_run(path: "str | Path | Run", *, configuration: str | None = None) -> Run:
    """Read a finished run's folder, or once more that of a run; from object storage it is fetched first.

    Args:
        path: the folder that `congruence run --out` wrote, a copy of it, or its URL (s3://bucket/run).
        configuration: key of one of several configurations that were run in this folder (`congruence prune`
            lists them); default: the one that was finished last.

    Raises:
        StorageError: it isn't one, a file is missing, broken or was changed, or another version wrote it.
    """
    if isinstance(path, Run):
        path = path.folder if configuration is None else path.path
    folder = folder_of(path, configuration)
    with believed():
        record = _record(folder)
        results, cells = stored_table(record, "results"), stored_table(record, "cells")
    if results.empty:
        raise StorageError(f"{folder / 'results.parquet'} holds no rows: run again")
    return Run(generations.owner(folder), record.record, results, cells, folder)


def folder_of(path: str | Path, configuration: str | None) -> Path:
    """Where the tables of one configuration of a run lie.

    Raises:
        StorageError: there is no such folder, or no such configuration in it.
    """
    if not isinstance(path, str | Path):
        raise StorageError(
            f"{quoted(path)} isn't a folder: name the folder that `congruence run --out` wrote"
        )
    folder = fetch_run(path, configuration=configuration) if is_url(path) else Path(path)
    if not stands_for_something(folder) or not folder.is_dir():
        raise StorageError(
            f"{quoted(str(folder), 200)} isn't a folder: name the folder that `congruence run --out` wrote"
        )
    if folder.is_symlink() and folder.name == generations.CURRENT:
        folder = folder.parent
    return generations.current_folder(folder) if configuration is None else _named(folder, configuration)


def _named(path: Path, key: str) -> Path:
    there = {folder.name: folder for folder in generations.generations(path)}
    if key not in there:
        known = ", ".join(there) or "none"
        raise StorageError(f"{path} holds no configuration {key!r}: known are {known}")
    return there[key]


@contextmanager
def believed() -> Iterator[None]:
    """What can't be believed is refused with the remedy."""
    try:
        yield
    except (NotWhole, Older) as error:
        raise StorageError(f"{error}: {AGAIN}") from error


def _record(folder: Path) -> Artefact:
    """run.json, if this version can read what it describes."""
    path = folder / generations.RECORD
    if not path.exists():
        raise StorageError(f"{path} doesn't exist: is this the folder of a finished run?")
    place = generations.place_of(folder)
    try:
        opened = open_artefact(path, KIND, FORMAT_VERSION, oldest=UNSEALED, unsealed=UNSEALED, place=place)
    except OtherKind as error:
        owner = generations.owner(folder)
        pairs = sorted(one.name for one in (owner / PAIRS).iterdir()) if (owner / PAIRS).is_dir() else []
        if not pairs:
            raise
        raise StorageError(
            f"{owner} is a run of more than two models, and this takes a run of two: name one of its pairs, "
            f"such as {owner / PAIRS / pairs[0]} ({len(pairs)} in all)"
        ) from error
    sides = opened.record.get("sides")
    if not isinstance(sides, dict) or not all(isinstance(sides.get(side), dict) for side in ("a", "b")):
        raise StorageError(f"{path} doesn't name the sides a and b: run again")
    return opened


def stored_table(run: Artefact, name: str, **options: Any) -> pd.DataFrame:
    """One of the run's tables with every column that readers rely on."""
    path = _proven(run, name)
    with not_whole_unless_read(path):
        table = pd.read_parquet(path, **options)
    if missing := [c.name for c in TABLES[name] if c.needed and c.name not in table.columns]:
        raise StorageError(f"{path} has no column {missing[0]!r}: an older congruence wrote it; run again")
    return _complete(table, TABLES[name])


def _proven(run: Artefact, name: str) -> Path:
    """Where one of the run's tables lies, as it was written."""
    path = run.place(f"{name}.parquet")
    if not path.exists():
        raise StorageError(f"{path} doesn't exist: the run isn't finished; {AGAIN}")
    if run.record["format_version"] > UNSEALED:
        run.check(path.name)
    return path


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
    if isinstance(cell, np.ndarray):
        return cell.tolist()
    return list(cell) if isinstance(cell, (list, tuple)) else []


def _present(cell: Any) -> dict[str, Any]:
    return {k: v for k, v in cell.items() if v is not None} if isinstance(cell, dict) else {}
