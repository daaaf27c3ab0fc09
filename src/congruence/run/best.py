"""Which score leads a run, and which layer pair is its best: one rule for the report and `Run.best`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

USUAL_NULL = "pairing"
HEADLINES = ("translation_accuracy", "svcca", "rsa")
"""The measure that leads: the first of these that the run has, else its first."""


def best_row(rows: pd.DataFrame) -> pd.Series | None:
    """The highest score of those that stand after correction, else tested, else of all; None without any."""
    place = best_place(*scores_of(rows))
    return None if place is None else rows.iloc[place]


def scores_of(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) value and q of each."""
    return rows.value.to_numpy(dtype=np.float64), rows.q.to_numpy(dtype=np.float64)


def best_place(value: np.ndarray, q: np.ndarray) -> int | None:
    """Which of some scores is the highest of those that stand, else tested, else of all; None without any.

    Args:
        value: (rows,) scores; NaN where there is none.
        q: (rows,) after correction; NaN where it wasn't tested.
    """
    from congruence.significance.correction import ALPHA

    scored = ~np.isnan(value)
    for chosen in (scored & (q <= ALPHA), scored & ~np.isnan(q), scored):
        if chosen.any():
            places = np.flatnonzero(chosen)
            return int(places[np.argmax(value[places])])
    return None


def leading(measures: Sequence[str], scores: Sequence[tuple[np.ndarray, np.ndarray]]) -> int:
    """Index of the grid that leads: by HEADLINES, else the first; one that was tested, else has any score.

    Args:
        measures: label of each grid.
        scores: value and q of each grid's rows.
    """
    there = [(~np.isnan(value), ~np.isnan(q)) for value, q in scores]
    scored = [i for i, (value, _) in enumerate(there) if value.any()] or list(range(len(there)))
    tested = [i for i in scored if (there[i][0] & there[i][1]).any()] or scored
    names = [measure.split("(", 1)[0] for measure in measures]
    return min(tested, key=lambda i: HEADLINES.index(names[i]) if names[i] in HEADLINES else len(HEADLINES))


def first_null(nulls: Sequence[str]) -> str:
    """The null that is quoted where one isn't named."""
    return USUAL_NULL if USUAL_NULL in nulls else nulls[0]
