"""Reading a finished run of several models."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.display import html_table
from congruence.errors import InputError, StorageError, unknown_name
from congruence.run.models_schema import KIND
from congruence.run.results import FORMAT_VERSION, Run, believed, folder_of, load_run, stored_table
from congruence.several import Clusters
from congruence.storage import generations, open_artefact
from congruence.wording import format_score

SHARED = "shared"
"""Stands among the measures for the share of features that have a counterpart."""


@dataclass(frozen=True, repr=False, eq=False)
class ModelsRun:
    """A finished run of more than two models.

    Each pair of models was compared as a run of its own, which `pair_run` opens; the tables here say what all
    pairs together show.

    Attributes:
        path: the run's folder.
        info: run.json: configuration, models, pairs, clusters, versions.
        folder: where its tables and pictures lie, inside `path`.
    """

    path: Path
    info: dict[str, Any]
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
    def models(self) -> list[str]:
        """Names of the models, in the order of the configuration."""
        return list(self.info["models"])

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names of every two models; the first is side a of the pair's run."""
        return [(one["models"][0], one["models"][1]) for one in self.info["pairs"]]

    @property
    def measures(self) -> list[str]:
        """Labels that `matrix` takes: measures, `mean_r` of kept pairs, `shared` where there are verdicts."""
        return self._table("matrix").measure.unique().tolist()

    def pair_run(self, x: str, y: str) -> Run:
        """The run of two of the models, in whichever order they are given; side a is the first in `pairs`.

        Raises:
            InputError: there are no such two models.
            StorageError: its folder is gone, or isn't as it was written.
        """
        for name in (x, y):
            if name not in self.models:
                raise InputError(unknown_name("model", name, self.models))
        for one in self.info["pairs"]:
            if {x, y} == set(one["models"]):
                return load_run(self.path / one["folder"], configuration=one["configuration"])
        raise InputError(
            f"pair_run({x!r}, {y!r}) names one model twice: name two of {', '.join(self.models)}"
        )

    def matrix(
        self, measure: str | None = None, value: str = "value", *, of: str | None = None
    ) -> pd.DataFrame:
        """How alike every two models are: a row and a column a model.

        Args:
            measure: its label, or its name where the run has it with one set of options; `mean_r`; or
                `shared`, whose rows are the models whose features are counted. Default: the one that leads.
            value: a column of matrix.parquet, such as "p", "p_max_t", "q" or "ceiling".
            of: "best" layer pair (default), "mean" of all layer pairs, or "matched" relative depths.

        Returns:
            NaN on the diagonal and where there is no number.

        Raises:
            InputError: there is no such name; the message lists those that are.
        """
        table = self._table("matrix")
        measure = self._measure(self.info["lead"] if measure is None else measure)
        usual = "features" if measure == SHARED else "best"
        mine = table[table.measure == measure]
        if (of or usual) not in (kinds := mine.of.unique().tolist()):
            raise InputError(unknown_name("kind of matrix", of, kinds))
        if value not in table.columns[4:]:
            raise InputError(unknown_name("column", value, table.columns[4:]))
        rows = mine[mine.of == (of or usual)]
        names = self.models
        found = pd.DataFrame(np.nan, index=pd.Index(names, name="model"), columns=names)
        for row in cast(Any, rows).itertuples():
            found.loc[row.model_x, row.model_y] = getattr(row, value)
            if measure != SHARED:
                found.loc[row.model_y, row.model_x] = getattr(row, value)
        return found

    def clusters(self, measure: str | None = None, *, of: str | None = None) -> Clusters:
        """Which models are alike by a measure: their order and the joins of the tree, as `matrix` takes them.

        Raises:
            InputError: there is no such name, or a pair has no score.
        """
        measure = self._measure(self.info["lead"] if measure is None else measure)
        of = of or ("features" if measure == SHARED else "best")
        for one in self.info["clusters"]:
            if (one["measure"], one["of"]) == (measure, of):
                linkage = tuple((row[0], row[1], row[2], row[3]) for row in one["linkage"])
                return Clusters(tuple(self.models), tuple(one["order"]), linkage)
        raise InputError(
            f"there is no tree of the models by {measure!r} of {of!r}: a pair of models has no score, or it "
            "isn't best, mean or matched"
        )

    def cycles(self) -> pd.DataFrame:
        """Cycle consistency: a row a model triple, its start and layer triple; layer −1: over all layers."""
        return self._table("cycles")

    def consensus(self, size: int | None = None) -> pd.DataFrame:
        """Features that several models have: a row each, those of most models first.

        Args:
            size: only those that so many models have.
        """
        table = self._table("consensus")
        return table if size is None else cast(pd.DataFrame, table[table["size"] == size])

    def universality(self, model: str | None = None) -> pd.DataFrame:
        """In how many other models each feature has a counterpart.

        Args:
            model: only features of this one.

        Raises:
            InputError: there is no such model.
        """
        table = self._table("universality")
        if model is None:
            return table
        if model not in self.models:
            raise InputError(unknown_name("model", model, self.models))
        return cast(pd.DataFrame, table[table.model == model].reset_index(drop=True))

    def summary(self) -> Any:
        """The answer, for ``rich.print``; ``str()`` gives it as plain text."""
        return _above("congruence.report.several.summary", "summary_of_models")(self)

    def report(self) -> Path:
        """Write report.html into its folder, and say where that is."""
        return _above("congruence.report.several.page", "write_models_report")(self)

    def _measure(self, name: str) -> str:
        there = self.measures
        variants = [label for label in there if label.startswith(f"{name}(")]
        if name not in there and len(variants) == 1:
            return variants[0]
        if name not in there:
            raise InputError(unknown_name("measure", name, there))
        return name

    def _table(self, name: str) -> pd.DataFrame:
        with believed():
            return stored_table(_opened(self.folder), name)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("_")]

    def __repr__(self) -> str:
        return f"ModelsRun({', '.join(self.models)}: {len(self.pairs)} pairs; {self.path})"

    def _repr_html_(self) -> str:
        """The matrix of the leading measure, for a notebook."""
        matrix = self.matrix()
        rows = [[x, *(format_score(matrix.loc[x, y]) for y in self.models)] for x in self.models]
        return html_table(
            f"{self.info['lead']}, best layer pair ({self.path})", rows, heads=("", *self.models)
        )


def load_models_run(path: "str | Path | ModelsRun", *, configuration: str | None = None) -> ModelsRun:
    """Read the folder of a finished run of several models.

    Args:
        path: the folder that `congruence run --out` wrote, or a copy of it.
        configuration: key of one of several that were run in this folder; default: the last one finished.

    Raises:
        OtherKind: it is a run of two models.
        StorageError: it isn't a run, or can't be believed.
    """
    if isinstance(path, ModelsRun):
        path = path.folder if configuration is None else path.path
    folder = folder_of(path, configuration)
    if not (folder / generations.RECORD).exists():
        raise StorageError(
            f"{folder / generations.RECORD} doesn't exist: is this the folder of a finished run?"
        )
    with believed():
        return ModelsRun(generations.owner(folder), _opened(folder).record, folder)


def _opened(folder: Path) -> Any:
    return open_artefact(
        folder / generations.RECORD, KIND, FORMAT_VERSION, place=generations.place_of(folder)
    )


def _above(module: str, name: str) -> Any:
    """What draws and writes lies above results and reads them; it is loaded by its name when asked for."""
    return getattr(importlib.import_module(module), name)
