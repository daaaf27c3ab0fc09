"""Cells put together into the tables of a run: p adjusted over each grid, ceilings beside the scores."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from congruence.run.columns import Column, arrow_schema, table_of, typed
from congruence.run.schema import CELLS, KEYWORDS, MATCHES, RESULTS
from congruence.run.stored import CellResult
from congruence.significance import benjamini_hochberg, max_t
from congruence.storage import atomic_path

GRID = ["control", "control_side", "concept", "subspace", "measure", "null"]
"""Rows that agree in these are one grid: q-values and max-T are computed over it."""
CEILING = "other_seed"
_GROUP = 1 << 15
"""Rows that are read at once: one cell of a run with many is found without reading the others."""


def put_together(results: Iterable[CellResult], folder: Path) -> None:
    """Write results, cells, matches and concept_keywords as Parquet files into a new folder."""
    results = list(results)
    table = table_of([row for result in results for row in result.rows], RESULTS)
    scores = [result.null_scores.get(i) for result in results for i in range(len(result.rows))]
    write_table(with_ceilings(adjusted(table, scores)), RESULTS, folder / "results.parquet")
    write_table(table_of([result.summary for result in results], CELLS), CELLS, folder / "cells.parquet")
    matches = [result.matches for result in results if len(result.matches)] or [results[0].matches]
    write_table(typed(pd.concat(matches, ignore_index=True), MATCHES), MATCHES, folder / "matches.parquet")
    keywords = [row for result in results for row in result.keywords]
    if keywords:
        write_table(table_of(keywords, KEYWORDS), KEYWORDS, folder / "concept_keywords.parquet")


def adjusted(table: pd.DataFrame, scores: Sequence[np.ndarray | None]) -> pd.DataFrame:
    """The results with columns q (Benjamini-Hochberg) and p_max_t, each over its own grid.

    Draw d of one cell is held beside draw d of the others. Tests that stopped early have no max-T.
    """
    table = table.assign(q=np.nan, p_max_t=np.nan)
    for _, rows in table.groupby(GRID, sort=False):
        tested = [i for i in rows.index if np.isfinite(table.at[i, "p"])]
        if not tested:
            continue
        table.loc[tested, "q"] = benjamini_hochberg(table.loc[tested, "p"].to_numpy())
        draws = [drawn for i in tested if (drawn := scores[i]) is not None]
        if len(draws) < len(tested) or len({len(drawn) for drawn in draws}) > 1:
            continue
        alternative = table.at[tested[0], "alternative"]
        observed = table.loc[tested, "value"].to_numpy()
        table.loc[tested, "p_max_t"] = max_t(observed, np.stack(draws), alternative=alternative)
    return table


def with_ceilings(table: pd.DataFrame) -> pd.DataFrame:
    """The results with what one model scores against itself with SAEs of another seed.

    The mean over those run at the row's own layers (of either model), or over all where none was.
    """
    same = table[(table.control == CEILING) & (table.concept == "all") & table.value.notna()]
    ceilings = np.full(len(table), np.nan)
    for measure, known in same.groupby("measure", sort=False):
        at = dict(zip(zip(known.control_side, known.layer_a, strict=True), known.value, strict=True))
        mine = np.flatnonzero(
            (table.measure == measure) & (table.control == "none") & (table.concept == "all")
        )
        for i in mine:
            places = [("a", table.layer_a.iat[i]), ("b", table.layer_b.iat[i])]
            near = [at[place] for place in places if place in at]
            ceilings[i] = np.mean(near or list(at.values()))
    return table.assign(ceiling=ceilings)


def write_table(table: pd.DataFrame, columns: Sequence[Column], path: Path) -> None:
    """Write one table as a Parquet file with the types of its schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with atomic_path(path) as temporary:
        pq.write_table(
            pa.Table.from_pandas(table, schema=arrow_schema(columns, table), preserve_index=False),
            temporary,
            row_group_size=_GROUP,
        )
