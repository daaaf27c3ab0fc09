"""From the numbers of single worlds to means, spreads, power and shares of small p."""

import io
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from congruence.errors import StorageError

KEYS = ["chapter", "world", "shared", "subject", "setting", "quantity"]
ALPHA = 0.05
Frame = Any
"""A table of pandas, whose annotations lose the type at every selection."""
_DECIMALS = 4
_POWER = "50 or 60 % of "


def summary_of(table: Frame) -> Frame:
    """Mean, spread and number of worlds of everything that was measured.

    Columns: chapter, world, shared, subject, setting, quantity, mean, sd (NaN for one world), worlds. Beside
    the means: ``p ≤ .05`` and ``uniform`` (p of a Kolmogorov-Smirnov test) of every p, and ``power``: how
    often a world with 60 % shared scores above the 95 % point of those with 50 %, by a normal approximation.

    Args:
        table: rows of single worlds, with the columns of `task.COLUMNS`.
    """
    table = table.assign(setting=table.setting.fillna(""))
    parts = [_means(table[table.quantity != "p"]), _of_p(table[table.quantity == "p"])]
    parts.append(_power(parts[0][parts[0].chapter.str.startswith(_POWER)]))
    joined = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return joined.round({"mean": _DECIMALS, "sd": _DECIMALS, "shared": 2})


def as_csv(summary: Frame) -> str:
    """The summary as text; :func:`read_summary` gives it back."""
    return summary.to_csv(index=False, lineterminator="\n")


def read_summary(path: str | Path) -> Frame:
    """The summary in a truth.csv.

    Raises:
        StorageError: the file isn't there or isn't one.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        table = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values={"mean": [""], "sd": [""]})
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} can't be read ({error}): run congruence truth") from error
    missing = {*KEYS, "mean", "sd", "worlds"} - set(table.columns)
    if missing:
        raise StorageError(f"{path} has no column {min(missing)}: run congruence truth again")
    return table


def _means(table: Frame) -> Frame:
    grouped = table.groupby(KEYS, sort=False).value
    return grouped.agg(mean="mean", sd="std", worlds="count").reset_index()


def _of_p(table: Frame) -> Frame:
    if not len(table):
        return table
    rows = []
    for keys, group in table.groupby(KEYS, sort=False):
        p = group.value.to_numpy()
        named = dict(zip(KEYS, keys, strict=True))
        for quantity, value in {"p ≤ .05": (p <= ALPHA + 1e-9).mean(), "uniform": _uniform(p)}.items():
            rows.append({**named, "quantity": quantity, "mean": value, "sd": np.nan, "worlds": len(p)})
    return pd.DataFrame(rows)


def _uniform(p: np.ndarray) -> float:
    """p of a Kolmogorov-Smirnov test of uniformity; p comes in steps, so its middle is spread over a step."""
    step = np.diff(np.unique(p)).min(initial=1.0)
    spread = p - step * np.random.default_rng(0).random(len(p))
    return float(stats.kstest(spread, "uniform").pvalue)


def _power(means: Frame) -> Frame:
    scores = means[means.quantity == "score"]
    keys = ["chapter", "world", "subject", "setting"]
    rows = []
    for names, group in scores.groupby(keys, sort=False):
        half, more = (group[np.isclose(group.shared, share)] for share in (0.5, 0.6))
        if len(half) != 1 or len(more) != 1:
            continue
        (m50, s50), (m60, s60) = (part[["mean", "sd"]].to_numpy()[0] for part in (half, more))
        named = dict(zip(keys, names, strict=True)) | {"shared": 0.6, "worlds": int(more.worlds.iloc[0])}
        rows.append({**named, "quantity": "power", "mean": _above(m50, s50, m60, s60), "sd": np.nan})
    return pd.DataFrame(rows)


def _above(m50: float, s50: float, m60: float, s60: float) -> float:
    gap = m60 - m50 - NormalDist().inv_cdf(1 - ALPHA) * s50
    if not np.isfinite(gap) or not np.isfinite(s60):
        return float("nan")
    return NormalDist().cdf(gap / s60) if s60 > 0 else float(gap > 0)
