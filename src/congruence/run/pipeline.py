"""One cell, as named stages: pair, filter, take the decoder rows, score, test."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from congruence.config.run import RunConfig
from congruence.config.steps import filter_steps, measure_label, measure_steps
from congruence.errors import InputError
from congruence.filters import Filtered, FilterStep, Pairs, apply_filters
from congruence.records import Matching, NullTest
from congruence.rng import derive_seed
from congruence.run.cell_result import CellResult
from congruence.run.grid import Cell
from congruence.run.layer_features import LayerFeatures
from congruence.run.null_inputs import NULL_INPUTS, pair_acts
from congruence.significance import permutation_test

logger = logging.getLogger(__name__)

STAGE_VERSION = 2


@dataclass(frozen=True)
class Settings:
    """What is done with every cell.

    Attributes:
        config: the whole configuration, for the parts that one stage needs.
        filters, measures: steps with their options, checked against the tables.
    """

    config: RunConfig
    filters: Sequence[FilterStep]
    measures: Sequence[tuple[str, dict[str, Any]]]

    @classmethod
    def of(cls, config: RunConfig) -> "Settings":
        """Check names and options once for all cells."""
        return cls(config, filter_steps(config), measure_steps(config))

    def key_parts(self) -> dict[str, Any]:
        """What a cell's answer depends on besides its features."""
        config = self.config
        return {
            "stage_version": STAGE_VERSION,
            "pairing": config.pairing.model_dump(),
            "filters": [[step.name, dict(step.options)] for step in self.filters],
            "measures": [list(step) for step in self.measures],
            "null": config.null.model_dump(),
            "seed": config.seed,
            "top_tokens": config.top_tokens,
            "min_pairs": config.min_pairs,
        }


def compute_cell(cell: Cell, a: LayerFeatures, b: LayerFeatures, settings: Settings) -> CellResult:
    """Every number of one layer pair."""
    started = time.perf_counter()
    matching = pair(a, b, settings.config)
    filtered = keep_pairs(matching, a, b, settings)
    x, y = decoder_rows(filtered.pairs.matching, a, b)
    inputs = null_inputs(a, b, filtered, settings)
    rows, scores = score_all(cell, x, y, inputs, settings)
    seconds = time.perf_counter() - started
    summary = summarise(cell, a, b, matching, filtered) | {"seconds": seconds}
    logger.info("cell %s computed in %.2f s: %d of %d pairs kept", cell.name, seconds, len(x), len(matching))
    return CellResult(rows, summary, match_table(cell, matching, filtered, a, b), scores)


def pair(a: LayerFeatures, b: LayerFeatures, config: RunConfig) -> Matching:
    """Stage 1: pair the features of both sides by their activations."""
    return pair_acts(a.acts, b.acts, config)


def keep_pairs(matching: Matching, a: LayerFeatures, b: LayerFeatures, settings: Settings) -> Filtered:
    """Stage 2: drop pairs as the filters say."""
    pairs = Pairs(
        matching,
        a.token_codes[matching.feature_a],
        b.token_codes[matching.feature_b],
        a.vocabulary.strings,
        a.vocabulary.special,
    )
    return apply_filters(pairs, settings.filters)


def decoder_rows(matching: Matching, a: LayerFeatures, b: LayerFeatures) -> tuple[np.ndarray, np.ndarray]:
    """Stage 3: the paired rows of both decoders, features as samples."""
    return a.W_dec[matching.feature_a], b.W_dec[matching.feature_b]


def null_inputs(a: LayerFeatures, b: LayerFeatures, filtered: Filtered, settings: Settings) -> dict[str, Any]:
    """What the run's null needs beside the paired rows."""
    make = NULL_INPUTS.get(settings.config.null.kind)
    return make(a, b, filtered, settings.config)


def score_all(
    cell: Cell, x: np.ndarray, y: np.ndarray, inputs: Mapping[str, Any], settings: Settings
) -> tuple[list[dict[str, Any]], dict[int, np.ndarray]]:
    """Stage 4: every measure with its null."""
    rows, scores = [], {}
    for name, options in settings.measures:
        started = time.perf_counter()
        row = _blank_row(cell, measure_label(name, options), len(x), settings)
        if len(x) < settings.config.min_pairs:
            row["warnings"] = f"too few pairs: {len(x)} of {settings.config.min_pairs} needed"
        else:
            try:
                test = null_test(name, {**inputs, **options}, x, y, settings)
            except InputError as error:
                row["warnings"] = str(error)
            else:
                row |= test_columns(test)
                scores[len(rows)] = np.asarray(test.scores, dtype=np.float64)
        rows.append(row | {"seconds": time.perf_counter() - started})
    return rows, scores


def null_test(
    name: str, options: Mapping[str, Any], x: np.ndarray, y: np.ndarray, settings: Settings
) -> NullTest:
    """One measure on paired rows against the run's null; `options` are the measure's and the null's.

    The generator depends on the run's seed and the measure but not on the cell: draw d is the same for
    every cell, so that max-T holds over the grid.
    """
    null = settings.config.null
    return permutation_test(
        name,
        x,
        y,
        null=null.kind,
        draws=null.draws,
        alternative=null.alternative,
        rng=derive_seed(settings.config.seed, "null", null.kind),
        **options,
    )


def _blank_row(cell: Cell, measure: str, n: int, settings: Settings) -> dict[str, Any]:
    nothing = ("value", "null_mean", "null_std", "null_q05", "null_q50", "null_q95", "z", "p", "corrected")
    return {
        "control": cell.control,
        "control_side": cell.control_side,
        "concept": "all",
        "subspace": "all",
        "layer_a": cell.a.layer,
        "layer_b": cell.b.layer,
        "measure": measure,
        "n": n,
        "null": settings.config.null.kind,
        "draws": 0,
        "seed": settings.config.seed,
        **dict.fromkeys(nothing, float("nan")),
        "alternative": settings.config.null.alternative,
        "details": "{}",
        "warnings": "",
    }


def test_columns(test: NullTest) -> dict[str, Any]:
    """The columns of a results row that a null test fills."""
    details = dict(test.score.details) if test.score else {}
    return {
        "value": test.observed,
        "draws": test.draws,
        "null_mean": test.null_mean,
        "null_std": test.null_std,
        **{f"null_q{round(100 * level):02d}": value for level, value in test.quantiles.items()},
        "z": test.z,
        "p": test.p,
        "corrected": test.corrected,
        "details": json.dumps(details, default=float),
        "warnings": "; ".join(test.score.warnings) if test.score else "",
    }


def summarise(
    cell: Cell, a: LayerFeatures, b: LayerFeatures, matching: Matching, filtered: Filtered
) -> dict[str, Any]:
    """The row of cells.parquet."""
    kept = filtered.pairs.matching
    return {
        "control": cell.control,
        "control_side": cell.control_side,
        "layer_a": cell.a.layer,
        "layer_b": cell.b.layer,
        "alive_a": a.alive,
        "alive_b": b.alive,
        "pairs_before": len(matching),
        "pairs_after": len(kept),
        "mean_r_before": float(np.mean(matching.r)) if len(matching) else float("nan"),
        "mean_r_after": float(np.mean(kept.r)) if len(kept) else float("nan"),
        "removed": json.dumps(dict(filtered.removed)),
    }


def match_table(
    cell: Cell, matching: Matching, filtered: Filtered, a: LayerFeatures, b: LayerFeatures
) -> pd.DataFrame:
    """The rows of matches.parquet: every pair, kept or not, with the tokens it fires on."""
    columns = ("feature_a", "feature_b", "r", "firings_a", "firings_b", "cofirings", "margin", "mutual")
    table = pd.DataFrame({name: getattr(matching, name) for name in columns})
    place = {
        "control": cell.control,
        "control_side": cell.control_side,
        "layer_a": cell.a.layer,
        "layer_b": cell.b.layer,
    }
    for position, (name, value) in enumerate(place.items()):
        table.insert(position, name, value)
    table["kept"] = filtered.removed_by == ""
    table["removed_by"] = filtered.removed_by.astype(str)
    table["top_tokens_a"] = a.top_token_strings(matching.feature_a)
    table["top_tokens_b"] = b.top_token_strings(matching.feature_b)
    return table
