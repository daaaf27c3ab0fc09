"""What the report looks at: grids of layer pairs, one measure at a time, with its null and its ceiling."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from congruence.run.best import best_place, first_null, leading
from congruence.run.results import Run
from congruence.view.numbers import ALPHA
from congruence.view.rows import Rows, placed

REAL, CEILING, WHOLE_SPACE = "none", "other_seed", "all"
_OF_A_GRID = ("control", "concept", "subspace")


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
        data: one row of results a layer pair.
        layers_a, layers_b: layers of the grid.
        ceilings: scores of the same-model control, empty where it wasn't run.
    """

    measure: str
    null: str
    first_null: bool
    data: Rows
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

    @property
    def rows(self) -> pd.DataFrame:
        """The rows as a table."""
        return self.data.frame

    @cached_property
    def draws(self) -> int:
        """Null scores of each layer pair (the smallest number of them, where they differ)."""
        draws = self.data["draws"][_known(self.data["p"])]
        return int(draws.min()) if len(draws) else 0

    @cached_property
    def scored(self) -> Rows:
        """Layer pairs with a score, tested or not."""
        return self.data.where(_known(self.data["value"]))

    @cached_property
    def tested(self) -> Rows:
        """Layer pairs with a score and a q."""
        return self.scored.where(_known(self.scored["q"]))

    @cached_property
    def untested(self) -> Rows:
        """Layer pairs with a score that was not held against a null, mostly because their size forces it."""
        return self.scored.where(~_known(self.scored["q"]))

    @cached_property
    def significant(self) -> Rows:
        """Layer pairs that stand after correction."""
        return self.tested.where(self.tested["q"] <= ALPHA)

    @cached_property
    def smallest_ps(self) -> np.ndarray:
        """The smallest p that the draws of each tested layer pair can give."""
        tested = self.tested
        return smallest_p(tested["draws"], tested["scored"], tested["alternative"])

    @cached_property
    def smallest_p(self) -> float:
        """The smallest p that the draws of any tested layer pair can give; NaN without tests."""
        return float(min(self.smallest_ps, default=math.nan))

    @property
    def draws_needed(self) -> int:
        """Draws with which one layer pair alone can stand out of those tested, and 99 at least."""
        sides = 2 if (self.data["alternative"] == "two-sided").any() else 1
        return max(99, math.ceil(sides * len(self.tested) / ALPHA) - 1)

    @cached_property
    def best(self) -> pd.Series | None:
        """The highest score of those that stand after correction, else tested, else of all; None without."""
        place = best_place(self.data["value"], self.data["q"])
        return None if place is None else self.data.row(place)

    def grid(self, column: str) -> Grid:
        """One column of the results over the layer pairs."""
        values = np.full((len(self.layers_a), len(self.layers_b)), np.nan)
        values[self.places] = self.data[column]
        return Grid(self.layers_a, self.layers_b, values)

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column in the grids of each row of the results."""
        return placed(self.layers_a, self.data["layer_a"]), placed(self.layers_b, self.data["layer_b"])

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


def smallest_p(draws: np.ndarray, scored: np.ndarray, alternative: np.ndarray) -> np.ndarray:
    """The smallest p that the draws of each row can give: one without a score counts against the claim."""
    lost = np.where(np.isfinite(scored), draws - scored, 0)
    sides = np.where(alternative == "two-sided", 2, 1)
    return np.minimum(1.0, sides * (1 + lost) / (1 + draws))


def _known(values: np.ndarray) -> np.ndarray:
    return ~np.isnan(values)


def where(table: pd.DataFrame, keep: Any) -> pd.DataFrame:
    """The rows of a table that a boolean mask keeps."""
    return cast(pd.DataFrame, table.loc[keep])


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain mappings, numbers as Python's own."""
    names = [str(name) for name in table.columns]
    columns = [_plain_values(table.iloc[:, number]) for number in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain_values(column: pd.Series) -> list[Any]:
    values = column.tolist()
    if column.dtype != object:
        return values
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def grid_of(rows: pd.DataFrame, column: str, layers_a: Sequence[int], layers_b: Sequence[int]) -> Grid:
    """A column of `rows` laid out by layer_a and layer_b."""
    values = np.full((len(layers_a), len(layers_b)), np.nan)
    for a, b, value in zip(rows.layer_a, rows.layer_b, rows[column], strict=True):
        values[layers_a.index(a), layers_b.index(b)] = value
    return Grid(tuple(layers_a), tuple(layers_b), values)


@dataclass(frozen=True)
class _Found:
    """What was found in the results of a `Run`: they are gone through once.

    Attributes:
        rows: all results.
        grids: control, concept and subspace -> measure and null -> positions of their rows, as they occur.
        views: those that were asked for.
    """

    rows: Rows
    grids: dict[tuple[str, str, str], dict[tuple[str, str], np.ndarray]]
    views: dict[tuple[str, str, str], list[MeasureView]]


def measure_views(
    run: Run, *, control: str = REAL, concept: str = WHOLE_SPACE, subspace: str = "all"
) -> list[MeasureView]:
    """Every measure and null of one grid, in the order in which the run has them; found once for a `Run`."""
    found, grid = _found_of(run), (control, concept, subspace)
    if grid not in found.views:
        found.views[grid] = _measure_views(run, found, concept, found.grids.get(grid, {}))
    return list(found.views[grid])


_found: "WeakKeyDictionary[Run, _Found]" = WeakKeyDictionary()


def _found_of(run: Run) -> _Found:
    if run not in _found:
        rows = Rows.of(run.results)
        grids: dict[tuple[str, str, str], dict[tuple[str, str], np.ndarray]] = {}
        for (*grid, measure, null), places in rows.groups(*_OF_A_GRID, "measure", "null").items():
            grids.setdefault(cast(Any, tuple(grid)), {})[measure, null] = places
        _found[run] = _Found(rows, grids, {})
    return _found[run]


def _measure_views(
    run: Run, found: _Found, concept: str, grid: dict[tuple[str, str], np.ndarray]
) -> list[MeasureView]:
    chosen = [found.rows.at(places) for places in grid.values()]
    layers_a, layers_b = (
        _layers(np.concatenate([rows[name] for rows in chosen]) if chosen else ())
        for name in ("layer_a", "layer_b")
    )
    views = []
    for measure in dict.fromkeys(measure for measure, _ in grid):
        nulls = [null for of, null in grid if of == measure]
        first = first_null(nulls)
        ceilings = ceilings_of(run, measure) if concept == WHOLE_SPACE else ()
        for null in sorted(nulls, key=lambda name: name != first):
            rows = found.rows.at(grid[measure, null])
            views.append(MeasureView(measure, null, null == first, rows, layers_a, layers_b, ceilings))
    return views


def ceilings_of(run: Run, measure: str) -> tuple[Ceiling, ...]:
    """The same-model scores of a measure."""
    found = _found_of(run)
    mine = [
        places
        for (control, concept, _), grid in found.grids.items()
        for (of, _), places in grid.items()
        if (control, concept, of) == (CEILING, WHOLE_SPACE, measure)
    ]
    rows = found.rows.at(np.sort(np.concatenate(mine)) if mine else np.zeros(0, dtype=np.int64))
    first: dict[tuple[str, int, int], float] = {}
    for side, layer_a, layer_b, value in rows.tuples("control_side", "layer_a", "layer_b", "value"):
        if not math.isnan(value):
            first.setdefault((side, layer_a, layer_b), value)
    return tuple(Ceiling(side, layer, value) for (side, layer, _), value in first.items())


def headline(views: Sequence[MeasureView]) -> MeasureView:
    """The view that leads: by HEADLINES, else the first; one that was tested, else that has any score."""
    first = [view for view in views if view.first_null]
    return first[
        leading([view.measure for view in first], [(view.data["value"], view.data["q"]) for view in first])
    ]


def cell_grid(run: Run, column: str) -> Grid:
    """A column of cells.parquet over the real layer pairs."""
    rows = run.real_cells
    return grid_of(rows, column, _layers(rows.layer_a), _layers(rows.layer_b))


def other_controls(run: Run) -> list[str]:
    """Controls with a grid of their own: not the real comparison, not the same-model ceiling."""
    return [name for name in run.results.control.unique() if name not in (REAL, CEILING)]


def concepts_of(run: Run) -> list[tuple[str, str]]:
    """(concept, subspace) of every subspace in the run, the whole space left out."""
    grids = _found_of(run).grids
    return [(concept, kind) for control, concept, kind in grids if control == REAL and concept != WHOLE_SPACE]


def _layers(column: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({int(layer) for layer in column}))
