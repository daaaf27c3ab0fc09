"""Rows of results for concept subspaces, one a measure and null."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from congruence.records import Alternative, Score
from congruence.run.pipeline import test_columns as columns_of_test
from congruence.significance import summarise

FEWEST_DRAWS = 20
"""A null with fewer usable draws gives no p."""


@dataclass(frozen=True)
class Place:
    """What all rows of one cell have in common.

    Attributes:
        control, control_side: as in the grid.
        layer_a, layer_b: the layer pair.
        seed: the run's.
        alternative: which scores are extreme.
    """

    layer_a: int
    layer_b: int
    control: str = "none"
    control_side: str = ""
    seed: int = 0
    alternative: Alternative = "greater"


@dataclass
class ConceptRows:
    """The rows of one cell, and the null scores behind them.

    Attributes:
        rows: by the columns of results.parquet, without q and p_max_t.
        null_scores: (draws,) null scores by the row's index.
        keywords: by the columns of concept_keywords.parquet.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    null_scores: dict[int, np.ndarray] = field(default_factory=dict)
    keywords: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: Mapping[str, Any], scores: np.ndarray | None = None) -> None:
        """Put a row on the list."""
        if scores is not None:
            self.null_scores[len(self.rows)] = scores
        self.rows.append(dict(row))

    def extend(self, other: "ConceptRows") -> None:
        """Put another list's rows after these."""
        start = len(self.rows)
        self.rows += other.rows
        self.keywords += other.keywords
        self.null_scores |= {start + index: scores for index, scores in other.null_scores.items()}


def blank(
    place: Place, concept: str, subspace: str, measure: str, null: str, *, n: int, details: Mapping[str, Any]
) -> dict[str, Any]:
    """A row without numbers."""
    nothing = ("value", "null_mean", "null_std", "null_q05", "null_q50", "null_q95", "z", "p", "corrected")
    return {
        "control": place.control,
        "control_side": place.control_side,
        "concept": concept,
        "subspace": subspace,
        "layer_a": place.layer_a,
        "layer_b": place.layer_b,
        "measure": measure,
        "n": n,
        "null": null,
        "draws": 0,
        "seed": place.seed,
        **dict.fromkeys(nothing, float("nan")),
        "alternative": place.alternative,
        "details": as_json(details),
        "warnings": "",
        "seconds": 0.0,
    }


def with_test(
    row: Mapping[str, Any],
    observed: Score,
    scores: np.ndarray,
    *,
    draws: int,
    resolution: float = 0.0,
    note: str = "",
) -> tuple[dict[str, Any], np.ndarray | None]:
    """A row with the numbers of a test whose null scores are at hand; scores that are NaN are counted.

    Returns:
        The row, and the null scores brought to `draws` for max-T (missing ones repeat usable ones), or None
        where there are too few.
    """
    usable = scores[np.isfinite(scores)]
    warnings = [row["warnings"], *observed.warnings, note]
    if len(usable) < draws:
        warnings.append(f"{len(usable)} of {draws} draws gave a score")
    row = dict(row) | {"value": float(observed), "warnings": "; ".join(filter(None, warnings))}
    if len(usable) < min(FEWEST_DRAWS, draws):
        return row, None
    test = summarise(
        observed,
        usable,
        measure=row["measure"],
        null=row["null"],
        alternative=row["alternative"],
        seed=row["seed"],
        resolution=resolution,
    )
    filled = columns_of_test(test) | {
        "warnings": row["warnings"],
        "details": _merged(row["details"], observed),
    }
    return row | filled, np.resize(usable, draws)


def as_json(details: Mapping[str, Any]) -> str:
    """Details as the results store holds them."""
    return json.dumps(details, default=_plain)


def _merged(details: str, observed: Score) -> str:
    return as_json({**json.loads(details), **dict(observed.details)})


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return float(value)
