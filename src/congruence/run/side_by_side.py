"""`compare_runs`: several finished runs side by side, and which differences chance doesn't explain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.display import html_table
from congruence.errors import CongruenceError, InputError
from congruence.run.results import Run, load_run
from congruence.significance.correction import ALPHA, benjamini_hochberg
from congruence.wording import format_score

CELL = ["concept", "subspace", "measure", "null", "layer_a", "layer_b"]
_INTERVAL = 2 * 1.959963984540054
"""Standard errors in a 95 % interval."""
TESTS = {
    "intervals": "normal test of the difference, standard errors from the 95% intervals of both runs",
    "paired draws": "the difference among the differences of both runs' null draws, draw by draw",
    "null spread": "normal test of the difference of what exceeds the null means, null spreads of both runs",
}
"""What each test is."""
_OF_CHANCE = (
    "whether they differ by more than two scores that only chance makes; not whether another text or seed "
    "would give the difference again: ask for intervals, or run several seeds"
)
CAN_TELL = {
    "intervals": "whether the scores differ by more than another sample of the same pairs would give; the "
    "samples are taken as independent, which is too careful where both runs read one text",
    "paired draws": _OF_CHANCE,
    "null spread": _OF_CHANCE,
}
"""What each test tells and what not."""


@dataclass(frozen=True, repr=False, eq=False)
class RunComparison:
    """Several runs side by side.

    Attributes:
        runs: their names, the first is what the others are held against.
        settings: one row a setting that differs: `setting` and one column a run.
        cells: one row a concept, measure, null and layer pair: one column of scores a run, `runs` (that have
            a score), `mean`, `std` (between runs; NaN for one), `low`, `high` (smallest and largest).
        measures: the same over layer pairs: each run's mean over those that all runs have (`layer_pairs`),
            with `mean` and `std` of these.
        differences: one row a cell and further run: `run`, `difference` (its score less the first run's),
            `test` (see TESTS; "" where there is none), `p`, and `q` (Benjamini-Hochberg over the layer pairs
            of one run, measure, null and concept).
    """

    runs: tuple[str, ...]
    settings: pd.DataFrame
    cells: pd.DataFrame
    measures: pd.DataFrame
    differences: pd.DataFrame

    @property
    def beyond_chance(self) -> pd.DataFrame:
        """The differences with q ≤ 0.05."""
        return cast(pd.DataFrame, self.differences[self.differences.q <= ALPHA])

    def sentences(self) -> list[str]:
        """What can be told, and what can't."""
        said = []
        for run, of_run in self.differences.groupby("run", sort=False):
            tested = of_run[of_run.p.notna()]
            told = f"{run}: {int((tested.q <= ALPHA).sum())} of {len(tested)} differences exceed chance"
            untested = len(of_run) - len(tested)
            said.append(f"{told} (q ≤ {ALPHA:g})" + (f"; {untested} can't be told" if untested else "") + ".")
        for test in dict.fromkeys(name for name in self.differences.test if name):
            said.append(f"{test}: {TESTS[test]}. It tells {CAN_TELL[test]}.")
        return said

    def __repr__(self) -> str:
        return f"RunComparison({', '.join(self.runs)}: {len(self.measures)} grids, {len(self.cells)} cells)"

    def _repr_html_(self) -> str:
        """Mean scores of every run, for a notebook."""
        heads = [*CELL[:4], *self.runs, "mean", "std"]
        rows = [
            [format_score(cell) if isinstance(cell, float) else cell for cell in row]
            for row in self.measures[heads].itertuples(index=False)
        ]
        return html_table("; ".join(self.sentences()), rows, heads=heads)


def compare_runs(*runs: str | Path | Run) -> RunComparison:
    """Put finished runs side by side: mean and spread over runs, and what differs beyond chance.

    Args:
        *runs: two or more runs or their folders; the first is what the others are held against.

    Returns:
        RunComparison.

    Raises:
        InputError: fewer than two, or they have no score of the same measure at the same layers.
        StorageError: one isn't a finished run.
    """
    if len(runs) == 1 and isinstance(runs[0], list | tuple):
        runs = tuple(runs[0])
    if len(runs) < 2:
        raise InputError(f"{len(runs)} run given: name two or more to compare")
    loaded = [load_run(run) for run in runs]
    names = _names(loaded)
    keyed = [_scores(run) for run in loaded]
    together = pd.concat(
        [cast(Any, rows["value"]).rename(n) for rows, n in zip(keyed, names, strict=True)], axis=1, sort=False
    )
    if not (together.notna().sum(axis=1) > 1).any():
        raise InputError(f"{', '.join(names)} have no score of one measure, null and layer pair in common")
    differences = [
        _differences(loaded[0], keyed[0], loaded[i], keyed[i], names[i]) for i in range(1, len(loaded))
    ]
    return RunComparison(
        tuple(names),
        _settings(loaded, names),
        _spread(together).reset_index(),
        _over_cells(together, names),
        pd.concat(differences, ignore_index=True),
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """Short names that tell the runs apart: the last parts of their paths that differ."""
    paths = [run.path.resolve() for run in runs]
    for parts in range(1, 5):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path.name} ({i + 1})" for i, path in enumerate(paths)]


def _scores(run: Run) -> pd.DataFrame:
    rows = cast(pd.DataFrame, run.results[run.results.control == "none"])
    return cast(pd.DataFrame, rows.drop_duplicates(CELL).set_index(CELL))


def _spread(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        runs=table.notna().sum(axis=1), mean=table.mean(axis=1), std=table.std(axis=1, ddof=1),
        low=table.min(axis=1), high=table.max(axis=1),
    )  # fmt: skip


def _over_cells(together: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    common = together.dropna()
    groups = common.groupby(level=CELL[:4], sort=False)
    table = _spread(cast(Any, groups.mean())[names])
    return table.assign(layer_pairs=groups.size()).reset_index()


def _differences(first: Run, before: pd.DataFrame, run: Run, after: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = []
    for cell in before.index.intersection(after.index, sort=False):
        one, other = cast(Any, before.loc[cell]), cast(Any, after.loc[cell])
        test, p = _tested(first, run, dict(zip(CELL, cell, strict=True)), one, other)
        found = {"run": name, "difference": other.value - one.value, "test": test, "p": p}
        rows.append(dict(zip(CELL, cell, strict=True)) | found)
    table = pd.DataFrame(rows, columns=[*CELL, "run", "difference", "test", "p"]).assign(q=np.nan)
    for _, of_grid in table[table.p.notna()].groupby(CELL[:4], sort=False):
        table.loc[of_grid.index, "q"] = benjamini_hochberg(of_grid.p.to_numpy())
    return table


def _tested(first: Run, run: Run, cell: dict[str, Any], one: Any, other: Any) -> tuple[str, float]:
    """The name of the test that these two rows allow, and its two-sided p; ("", NaN) for none."""
    difference = float(other.value - one.value)
    if not math.isfinite(difference):
        return "", math.nan
    errors = [(row.high - row.low) / _INTERVAL for row in (one, other)]
    if all(math.isfinite(error) for error in errors) and math.hypot(*errors) > 0:
        return "intervals", _normal(difference / math.hypot(*errors))
    if not (one.draws and other.draws):
        return "", math.nan
    drawn = [_draws(which, cell) for which in (first, run)]
    if drawn[0] is not None and drawn[1] is not None and len(drawn[0]) == len(drawn[1]):
        return "paired draws", _paired(difference, drawn[1] - drawn[0])
    spread = math.hypot(one.null_std, other.null_std)
    if not (math.isfinite(spread) and spread > 0):
        return "", math.nan
    return "null spread", _normal((difference - (other.null_mean - one.null_mean)) / spread)


def _paired(difference: float, drawn: np.ndarray) -> float:
    """(1 + draws at least as far from the draws' centre) / (1 + draws); a draw without a score counts."""
    known = drawn[np.isfinite(drawn)]
    centre = float(np.median(known)) if len(known) else 0.0
    least = abs(difference - centre) * (1 - 1e-12)
    return (1 + int((~(np.abs(drawn - centre) < least)).sum())) / (1 + len(drawn))


def _draws(run: Run, cell: dict[str, Any]) -> np.ndarray | None:
    options = {name: cell[name] for name in ("concept", "subspace", "null")}
    try:
        return run.null_scores(cell["measure"], int(cell["layer_a"]), int(cell["layer_b"]), **options)
    except CongruenceError:
        return None


def _normal(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


def _settings(runs: Sequence[Run], names: list[str]) -> pd.DataFrame:
    flat = [_flat(run.config) | {"models": f"{run.side_name('a')} × {run.side_name('b')}"} for run in runs]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    told = [[key, *(str(one.get(key, "–")) for one in flat)] for key in keys]
    rows = [row for row in told if len(set(row[1:])) > 1]
    return pd.DataFrame(rows, columns=["setting", *names])


def _flat(config: Any, start: str = "") -> dict[str, Any]:
    if not isinstance(config, dict) or not config:
        return {start: config}
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= _flat(value, f"{start}.{key}" if start else str(key))
    return found
