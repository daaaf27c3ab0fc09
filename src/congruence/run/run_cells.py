"""Every cell of a run, from disk where it is finished, its concepts beside it under a key of their own."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from congruence.metrics.blas import one_blas_thread
from congruence.progress import Progress
from congruence.run.captures import Captures
from congruence.run.cell import compute_cell, is_heavy
from congruence.run.columns import blank_row, typed
from congruence.run.concept_stage import ConceptStage
from congruence.run.grid import Cell
from congruence.run.intervals import with_intervals
from congruence.run.layer import Layer
from congruence.run.plan import Plan
from congruence.run.schema import CELLS, MATCHES
from congruence.run.selections.whole import WholeSpace, whole_space
from congruence.run.stored import FORMAT_VERSION, CellResult, load_cell, save_cell
from congruence.storage import content_key, elsewhere
from congruence.threads import side_by_side

logger = logging.getLogger(__name__)


HELD_PAIRS = 1 << 15
"""Pairs of a cell that stay in memory until the run is written; more are read again then, as half a kilobyte
each, of which most is words, lies beside the measures of every later cell."""


def run_cells(
    cells: Sequence[Cell],
    captures: Captures,
    plan: Plan,
    folder: Path,
    *,
    concepts: ConceptStage | None,
    progress: Progress,
) -> list[CellResult]:
    """The results of all cells, in order; what is finished in `folder` is read and not computed again.

    A cell and its concepts are kept apart: adding concepts to a finished run doesn't repeat its grid. Cells
    of narrow layers are computed two at a time, as no step of theirs is long enough for two threads.
    """

    def work(cell: Cell) -> CellResult:
        whole, *of_concepts = cell_places(cell, captures, plan, folder, concepts)
        room = partial(captures.make_room, cell.a, cell.b)
        result = _finished_or(
            whole,
            f"cell {cell.name}",
            lambda: whole_result(
                cell, captures.features(cell.a), captures.features(cell.b), plan, make_room=room
            ),
        )
        if concepts is None or not of_concepts:
            return result
        stage, name = concepts, f"concepts of cell {cell.name}"
        return result.joined(_finished_or(of_concepts[0], name, lambda: stage.result(cell, result.matches)))

    results = []
    progress.advance("compare layer pairs", 0, len(cells), "pairs")
    for narrow, some in groupby(cells, lambda cell: captures.narrow(cell.a, cell.b)):
        for result in side_by_side(one_blas_thread()(work), some, most=2) if narrow else map(work, some):
            results.append(result)
            progress.advance("compare layer pairs", len(results), len(cells), "pairs")
    return results


def cell_places(
    cell: Cell, captures: Captures, plan: Plan, folder: Path, concepts: ConceptStage | None
) -> list[Path]:
    """Where a cell is kept, and where its concepts are, if it has any."""
    whole = folder / f"{cell.name}-{content_key(_key_parts(cell, captures, plan))}"
    if concepts is None or not concepts.covers(cell):
        return [whole]
    return [whole, folder / _concepts_name(cell, captures, plan, concepts)]


def concepts_finished(
    cells: Sequence[Cell], captures: Captures, plan: Plan, folder: Path, concepts: ConceptStage
) -> bool:
    """Whether `folder` has the concepts of every cell, so that no word of the text need be looked up."""
    names = (_concepts_name(cell, captures, plan, concepts) for cell in cells if concepts.covers(cell))
    return all(elsewhere.there(folder / name) for name in names)


def _key_parts(cell: Cell, captures: Captures, plan: Plan) -> list[Any]:
    """What the answer of a cell depends on."""
    return [FORMAT_VERSION, plan.key_parts(), cell.control, captures.key(cell.a), captures.key(cell.b)]


def _concepts_name(cell: Cell, captures: Captures, plan: Plan, concepts: ConceptStage) -> str:
    key = content_key([*_key_parts(cell, captures, plan), concepts.key_parts()])
    return f"{cell.name}-concepts-{key}"


def _finished_or(place: Path, name: str, compute: Callable[[], CellResult]) -> CellResult:
    if (finished := load_cell(place)) is not None:
        logger.info("%s: finished before, read from %s", name, place.name)
        return replace(finished, places=(place.name,))
    result = compute()
    save_cell(result, place)
    if len(result.matches) > HELD_PAIRS and (stored := load_cell(place)) is not None:
        result = replace(result, pairs=stored.pairs)
    return replace(result, places=(place.name,))


def whole_result(
    cell: Cell, a: Layer, b: Layer, plan: Plan, *, make_room: Callable[[], None] | None = None
) -> CellResult:
    """Every number of one layer pair's whole space, and its pairs.

    Args:
        cell: which.
        a, b: its layers.
        plan: of the run.
        make_room: frees what isn't wanted, before measures that need much memory.
    """
    started = time.perf_counter()
    whole = whole_space(cell, a, b, plan)
    if make_room is not None and is_heavy(whole.selection):  # it has its rows: what it needs hangs on them
        make_room()
    (outcome,) = compute_cell(cell, iter([whole.selection]), plan.null_settings)
    rows = with_intervals(outcome, a, b, plan)
    summary = cell_summary(cell, a, b, whole) | {"seconds": time.perf_counter() - started}
    kept, made = len(whole.kept), len(whole.matching)
    logger.info("cell %s computed in %.2f s: %d of %d pairs kept", cell.name, summary["seconds"], kept, made)
    scores = {index: scores for index, (_, scores) in enumerate(rows) if scores is not None}
    return CellResult([row for row, _ in rows], summary, match_table(cell, a, b, whole), scores)


def cell_summary(cell: Cell, a: Layer, b: Layer, whole: WholeSpace) -> dict[str, Any]:
    """The row of cells.parquet."""
    matching, kept = whole.matching, whole.kept
    return blank_row(
        CELLS,
        **_place(cell),
        alive_a=a.alive,
        alive_b=b.alive,
        unmatched_a=a.alive - len(np.intersect1d(a.live, kept.feature_a)),
        unmatched_b=b.alive - len(np.intersect1d(b.live, kept.feature_b)),
        pairs_before=len(matching),
        pairs_after=len(kept),
        mean_r_before=float(np.nanmean(matching.r)) if len(matching) else float("nan"),
        mean_r_after=float(np.mean(kept.r)) if len(kept) else float("nan"),
        removed=[{"step": step, "pairs": pairs} for step, pairs in whole.filtered.removed.items()],
    )


def match_table(cell: Cell, a: Layer, b: Layer, whole: WholeSpace) -> pd.DataFrame:
    """The rows of matches.parquet: every pair, kept or not, with the tokens it fires on."""
    matching = whole.matching
    columns = ("feature_a", "feature_b", "r", "firings_a", "firings_b", "cofirings", "margin", "mutual")
    nothing = np.full(len(matching), np.nan)
    table = pd.DataFrame(
        {name: getattr(matching, name) for name in columns}
        | {name: nothing if (v := getattr(matching, name)) is None else v for name in ("null_r", "p_r")}
        | {
            "kept": whole.filtered.removed_by == "",
            "removed_by": whole.filtered.removed_by.astype(str),
            "top_tokens_a": a.top_token_strings(matching.feature_a),
            "top_tokens_b": b.top_token_strings(matching.feature_b),
        }
    )
    return typed(table.assign(**_place(cell)), MATCHES)


def _place(cell: Cell) -> dict[str, Any]:
    return {
        "control": cell.control,
        "control_side": cell.control_side,
        "layer_a": cell.a.layer,
        "layer_b": cell.b.layer,
    }
