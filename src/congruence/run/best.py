"""Which score leads a run, and which layer pair is its best: one rule for the report and `Run.best`."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

USUAL_NULL = "pairing"
HEADLINES = ("translation_accuracy", "svcca", "rsa")
"""The measure that leads: the first of these that the run has, else its first."""


def best_row(rows: pd.DataFrame) -> pd.Series | None:
    """The highest score of those that stand after correction, else tested, else of all; None without any."""
    from congruence.significance.correction import ALPHA

    scored = cast(pd.DataFrame, rows[rows.value.notna()])
    tested = cast(pd.DataFrame, scored[scored.q.notna()])
    for chosen in (tested[tested.q <= ALPHA], tested, scored):
        if len(chosen):
            return chosen.iloc[int(np.argmax(chosen.value))]
    return None


def leading(measures: Sequence[str], grids: Sequence[pd.DataFrame]) -> int:
    """Index of the grid that leads: by HEADLINES, else the first; one that was tested, else has any score."""
    everything = range(len(grids))
    scored = [i for i in everything if grids[i].value.notna().any()] or list(everything)
    tested = [i for i in scored if (grids[i].value.notna() & grids[i].q.notna()).any()] or scored
    names = [measure.split("(", 1)[0] for measure in measures]
    return min(tested, key=lambda i: HEADLINES.index(names[i]) if names[i] in HEADLINES else len(HEADLINES))


def first_null(nulls: Sequence[str]) -> str:
    """The null that is quoted where one isn't named."""
    return USUAL_NULL if USUAL_NULL in nulls else nulls[0]
