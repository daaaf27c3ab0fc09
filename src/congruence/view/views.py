"""What the report looks at: grids of layer pairs, one measure at a time, with its null and its ceiling."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from congruence.run.best import best_row, first_null, leading
from congruence.run.results import Run
from congruence.view.numbers import ALPHA

REAL, CEILING, WHOLE_SPACE = "none", "other_seed", "all"


@dataclass(frozen=True)
class Grid:
    """One number for each layer pair.

    Attributes:
        layers_a, layers_b: names of rows and columns.
        values: (rows, columns) float64; NaN where there is no number.
    """

    layers_a: tuple[int, ...]
    layers_b: tuple[int, ...]
    values: np.ndarray


@dataclass(frozen=True)
class Ceiling:
    """What one model scores against itself with SAEs of another seed.

    Attributes:
        side: "a", "b", or "" where the run doesn't say.
        layer: block of that model.
        value: the score.
    """

    side: str
    layer: int
    value: float


@dataclass(frozen=True)
class MeasureView:
    """One measure over the grid, against one null.

    Attributes:
        measure: its label in the results, options included.
        null: name of the null.
        first_null: this null is the one that the summary quotes.
        rows: one row of results a layer pair.
        layers_a, layers_b: layers of the grid.
        ceilings: scores of the same-model control, empty where it wasn't run.
    """

    measure: str
    null: str
    first_null: bool
    rows: pd.DataFrame
    layers_a: tuple[int, ...]
    layers_b: tuple[int, ...]
    ceilings: tuple[Ceiling, ...]

    @property
    def base_measure(self) -> str:
        """The registered name, without options."""
        return self.measure.split("(", 1)[0]

    @property
    def slug(self) -> str:
        """Name of this view in file names."""
        return self.measure if self.first_null else f"{self.measure}_{self.null}"

    @cached_property
    def draws(self) -> int:
        """Null scores of each layer pair (the smallest number of them, where they differ)."""
        draws = self.rows.draws[self.rows.p.notna()]
        return int(draws.min()) if len(draws) else 0

    @cached_property
    def scored(self) -> pd.DataFrame:
        """Layer pairs with a score, tested or not."""
        return where(self.rows, self.rows.value.notna())

    @cached_property
    def tested(self) -> pd.DataFrame:
        """Layer pairs with a score and a q."""
        return where(self.rows, self.rows.value.notna() & self.rows.q.notna())

    @cached_property
    def untested(self) -> pd.DataFrame:
        """Layer pairs with a score that was not held against a null, mostly because their size forces it."""
        return where(self.rows, self.rows.value.notna() & self.rows.q.isna())

    @cached_property
    def significant(self) -> pd.DataFrame:
        """Layer pairs that stand after correction."""
        return where(self.tested, self.tested.q <= ALPHA)

    @cached_property
    def smallest_ps(self) -> np.ndarray:
        """The smallest p that the draws of each tested layer pair can give."""
        return smallest_p(self.tested)

    @cached_property
    def smallest_p(self) -> float:
        """The smallest p that the draws of any tested layer pair can give; NaN without tests."""
        return float(min(self.smallest_ps, default=math.nan))

    @property
    def draws_needed(self) -> int:
        """Draws with which one layer pair alone can stand out of those tested, and 99 at least."""
        sides = 2 if (self.rows.alternative == "two-sided").any() else 1
        return max(99, math.ceil(sides * len(self.tested) / ALPHA) - 1)

    @cached_property
    def best(self) -> pd.Series | None:
        """The highest score of those that stand after correction, else tested, else of all; None without."""
        return best_row(self.rows)

    def grid(self, column: str) -> Grid:
        """One column of the results over the layer pairs."""
        return grid_of(self.rows, column, self.layers_a, self.layers_b)

    def place(self, row: Any) -> tuple[int, int]:
        """Row and column of a layer pair in the grids."""
        return self.layers_a.index(int(row.layer_a)), self.layers_b.index(int(row.layer_b))

    def ceilings_near(self, layer_a: int, layer_b: int) -> tuple[Ceiling, ...]:
        """Ceilings of just these layers where they were run, else all of them."""
        near = [c for c in self.ceilings if (c.side, c.layer) in (("a", layer_a), ("b", layer_b))]
        return tuple(near) or self.ceilings

    def ceiling_at(self, row: pd.Series) -> float:
        """The ceiling of a layer pair: its own, else the mean of those that were run; NaN without any."""
        if np.isfinite(row.ceiling):
            return float(row.ceiling)
        near = [c.value for c in self.ceilings_near(int(row.layer_a), int(row.layer_b))]
        return float(np.mean(near)) if near else math.nan


def smallest_p(rows: pd.DataFrame) -> np.ndarray:
    """The smallest p that the draws of each row can give: one without a score counts against the claim."""
    lost = np.where(np.isfinite(rows.scored), rows.draws - rows.scored, 0)
    sides = np.where(rows.alternative == "two-sided", 2, 1)
    return np.minimum(1.0, sides * (1 + lost) / (1 + rows.draws.to_numpy()))


def where(table: pd.DataFrame, keep: Any) -> pd.DataFrame:
    """The rows of a table that a boolean mask keeps."""
    return cast(pd.DataFrame, table.loc[keep])


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain mappings."""
    return cast(list[dict[str, Any]], table.to_dict("records"))


def grid_of(rows: pd.DataFrame, column: str, layers_a: Sequence[int], layers_b: Sequence[int]) -> Grid:
    """A column of `rows` laid out by layer_a and layer_b."""
    values = np.full((len(layers_a), len(layers_b)), np.nan)
    for a, b, value in zip(rows.layer_a, rows.layer_b, rows[column], strict=True):
        values[layers_a.index(a), layers_b.index(b)] = value
    return Grid(tuple(layers_a), tuple(layers_b), values)


def measure_views(
    run: Run, *, control: str = REAL, concept: str = WHOLE_SPACE, subspace: str = "all"
) -> list[MeasureView]:
    """Every measure and null of one grid, in the order in which the run has them; found once for a `Run`."""
    held = _views.setdefault(run, {})
    grid = control, concept, subspace
    if grid not in held:
        held[grid] = _measure_views(run, *grid)
    return list(held[grid])


_views: "WeakKeyDictionary[Run, dict[tuple[str, str, str], list[MeasureView]]]" = WeakKeyDictionary()


def _measure_views(run: Run, control: str, concept: str, subspace: str) -> list[MeasureView]:
    table = run.results
    chosen = where(
        table, (table.control == control) & (table.concept == concept) & (table.subspace == subspace)
    )
    layers_a, layers_b = _layers(chosen.layer_a), _layers(chosen.layer_b)
    views = []
    for measure, of_measure in chosen.groupby("measure", sort=False):
        nulls = of_measure.null.unique()
        first = first_null(nulls.tolist())
        ceilings = ceilings_of(run, str(measure)) if concept == WHOLE_SPACE else ()
        for null in sorted(nulls, key=lambda name: name != first):
            rows = where(of_measure, of_measure.null == null)
            views.append(
                MeasureView(str(measure), str(null), null == first, rows, layers_a, layers_b, ceilings)
            )
    return views


def ceilings_of(run: Run, measure: str) -> tuple[Ceiling, ...]:
    """The same-model scores of a measure."""
    table = run.results
    mine = (table.control == CEILING) & (table.concept == WHOLE_SPACE) & (table.measure == measure)
    rows = where(table, mine & table.value.notna())
    rows = rows.drop_duplicates(["control_side", "layer_a", "layer_b"])
    return tuple(
        Ceiling(side, int(layer), float(value))
        for side, layer, value in zip(rows.control_side, rows.layer_a, rows.value, strict=True)
    )


def headline(views: Sequence[MeasureView]) -> MeasureView:
    """The view that leads: by HEADLINES, else the first; one that was tested, else that has any score."""
    first = [view for view in views if view.first_null]
    return first[leading([view.measure for view in first], [view.rows for view in first])]


def cell_grid(run: Run, column: str) -> Grid:
    """A column of cells.parquet over the real layer pairs."""
    rows = run.real_cells
    return grid_of(rows, column, _layers(rows.layer_a), _layers(rows.layer_b))


def other_controls(run: Run) -> list[str]:
    """Controls with a grid of their own: not the real comparison, not the same-model ceiling."""
    return [name for name in run.results.control.unique() if name not in (REAL, CEILING)]


def concepts_of(run: Run) -> list[tuple[str, str]]:
    """(concept, subspace) of every subspace in the run, the whole space left out."""
    rows = where(run.results, (run.results.control == REAL) & (run.results.concept != WHOLE_SPACE))
    return list(dict.fromkeys(zip(rows.concept, rows.subspace, strict=True)))


def _layers(column: pd.Series) -> tuple[int, ...]:
    return tuple(int(layer) for layer in sorted(column.unique()))
