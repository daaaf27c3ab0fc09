"""Rows of matrix.parquet: one pair of models by every measure, over its layer pairs in three ways."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.config.models import Names
from congruence.run.best import best_row, first_null, leading, scores_of
from congruence.run.columns import blank_row
from congruence.run.models_schema import MATRIX
from congruence.run.results import Run
from congruence.run.several.results import SHARED
from congruence.several import Clusters, clustered
from congruence.significance.correction import ALPHA

BEST, MEAN, MATCHED, FEATURES = "best", "mean", "matched", "features"


def matrix_rows(names: Names, run: Run) -> Iterator[dict[str, Any]]:
    """All rows of a pair of models."""
    whole = _whole(run)
    for measure in whole.measure.unique():
        rows = where(whole, whole.measure == measure)
        rows = where(rows, rows.null == first_null(rows.null.unique().tolist()))
        yield from _of_measure(names, str(measure), rows)
    cells = run.real_cells.rename(columns={"mean_r_after": "value"})
    yield from _of_measure(names, "mean_r", cells)
    for side, (x, y) in (("a", names), ("b", names[::-1])):
        share = _share_shared(run, side)
        if share is not None:
            yield blank_row(MATRIX, model_x=x, model_y=y, measure=SHARED, of=FEATURES, value=share)


def lead_of(runs: Mapping[Names, Run]) -> str:
    """The measure that leads, as in the report of a pair."""
    whole = _whole(next(iter(runs.values())))
    measures = whole.measure.unique().tolist()
    return measures[leading(measures, [scores_of(where(whole, whole.measure == name)) for name in measures])]


def matched(layers_x: Sequence[int], layers_y: Sequence[int]) -> list[tuple[int, int]]:
    """Layer pairs of nearest relative depth: one for each layer of the model that has fewer.

    Depth goes from 0 at the first of the compared layers to 1 at the last.

    >>> matched([0, 1, 2], [0, 1, 2, 3, 4])
    [(0, 0), (1, 2), (2, 4)]
    """
    if len(layers_y) < len(layers_x):
        return [(x, y) for y, x in matched(layers_y, layers_x)]
    own, other = _depths(layers_x), _depths(layers_y)
    return [(layers_x[i], layers_y[int(np.abs(other - depth).argmin())]) for i, depth in enumerate(own)]


def trees(table: pd.DataFrame, models: Sequence[str]) -> list[dict[str, Any]]:
    """The tree of the models by every measure, as run.json keeps it."""
    found = []
    for key, rows in table.groupby(["measure", "of"], sort=False):
        measure, of = cast(tuple[str, str], key)
        tree = _tree(measure, rows, list(models))
        if tree is not None:
            told = {"measure": measure, "of": of, "order": list(tree.order)}
            found.append(told | {"linkage": [list(row) for row in tree.linkage]})
    return found


def _tree(measure: str, rows: pd.DataFrame, models: list[str]) -> Clusters | None:
    place = {name: number for number, name in enumerate(models)}
    values = np.full((len(models), len(models)), np.nan)
    for x, y, value in zip(rows.model_x, rows.model_y, rows.value, strict=True):
        values[place[x], place[y]] = value
        if measure != SHARED:
            values[place[y], place[x]] = value
    name = measure.split("(", 1)[0]
    return clustered(models, values, top=_top(measure), distance=name.endswith("_distance"))


def _top(measure: str) -> float:
    """The greatest score that a measure gives; 1 for one that isn't known here, and for what is none."""
    from congruence.errors import CongruenceError
    from congruence.metrics import measure_of

    try:
        return float(measure_of(measure).range[1])
    except CongruenceError:
        return 1.0


def _of_measure(names: Names, measure: str, rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    rows = rows.assign(**{c: np.nan for c in ("q", "p", "p_max_t", "null_mean", "ceiling") if c not in rows})
    about = {"model_x": names[0], "model_y": names[1], "measure": measure}
    pairs = matched(sorted(rows.layer_a.unique()), sorted(rows.layer_b.unique()))
    at = [(int(a), int(b)) in pairs for a, b in zip(rows.layer_a, rows.layer_b, strict=True)]
    best: Any = best_row(rows)
    scored = where(rows, rows.value.notna())
    told = {"layer_pairs": len(scored), "significant": int((scored.q <= ALPHA).sum())}
    if best is None:
        yield from (blank_row(MATRIX, **about, of=of) for of in (BEST, MEAN, MATCHED))
        return
    one = {name: float(best[name]) for name in ("value", "null_mean", "p", "p_max_t", "q", "ceiling")}
    layers = {"layer_x": int(best.layer_a), "layer_y": int(best.layer_b)}
    yield blank_row(MATRIX, **about, of=BEST, **one, **layers, **told)
    for of, every in ((MEAN, scored), (MATCHED, where(rows, at))):
        some: Any = where(every, every.value.notna())
        means = {name: float(some[name].mean()) for name in ("value", "null_mean", "ceiling")}
        told = {"layer_pairs": len(some), "significant": int((some.q <= ALPHA).sum())}
        yield blank_row(MATRIX, **about, of=of, **means, **told)


def where(table: pd.DataFrame, keep: Any) -> pd.DataFrame:
    """The rows of a table that a boolean mask keeps."""
    return cast(pd.DataFrame, table.loc[keep])


def _whole(run: Run) -> pd.DataFrame:
    """Results of the whole space, of the comparison itself."""
    table = run.results
    return where(table, (table.control == "none") & (table.concept == "all") & (table.subspace == "all"))


def _share_shared(run: Run, side: str) -> float | None:
    """The share of a side's features that have a counterpart; None without verdicts."""
    shares = (run.info.get("verdicts") or {}).get("shares") or []
    wanted = {"concept": "all", "side": side, "layer": -1, "verdict": "shared"}
    found = [one["share"] for one in shares if all(one[name] == value for name, value in wanted.items())]
    return float(found[0]) if found else None


def _depths(layers: Sequence[int]) -> np.ndarray:
    low, high = min(layers), max(layers)
    return np.array([(layer - low) / (high - low) if high > low else 0.5 for layer in layers])
