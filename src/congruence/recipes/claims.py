"""What both papers say in words, as checks of a run's numbers; each check also asks the published numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from congruence.recipes.numbers import Frame, Numbers

Verdict = Literal["reproduced", "not reproduced", "can't be told"]
FEWEST_PAIRS = 20
"""Below so many pairs a score is mostly chance: a check that rests on it can't be told."""
ALPHA = 0.05
CONTEXT = "all"


@dataclass(frozen=True)
class Told:
    """What a check found.

    Attributes:
        verdict: reproduced, not reproduced, or can't be told.
        why: the numbers it rests on.
    """

    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper.

    Attributes:
        name: short and unique.
        paper: lan2024 or son2025.
        says: the claim in our words.
        recipes: beginnings of the names of recipes that can tell.
        check: (numbers, those of the run beside it or None) -> what was found.
        parts: of a recipe of several parts, those whose numbers are asked and stand beside them; "" for the
            first, and for the run beside.
    """

    name: str
    paper: str
    says: str
    recipes: tuple[str, ...]
    check: Callable[[Numbers, Numbers | None], Told]
    parts: tuple[str, str] = ("", "")

    def applies(self, recipe: str) -> bool:
        """Whether a recipe's numbers can tell."""
        return recipe in self.recipes


CLAIMS: list[Claim] = []


def claim(
    name: str, paper: str, says: str, *recipes: str, parts: tuple[str, str] = ("", "")
) -> Callable[[Callable[..., Told]], Callable]:
    """Put a check on the list."""

    def register(check: Callable[..., Told]) -> Callable[..., Told]:
        CLAIMS.append(Claim(name, paper, says, recipes, check, parts))
        return check

    return register


def unknown(why: str) -> Told:
    """Can't be told, and why."""
    return Told("can't be told", why)


def judged(holds: bool, why: str) -> Told:
    """Reproduced or not."""
    return Told("reproduced" if holds else "not reproduced", why)


def enough(numbers: Numbers, concept: str = CONTEXT) -> str:
    """Why a grid can't be judged; "" where most of its cells have pairs enough."""
    pairs = numbers.grid("pairs", concept)
    if pairs.size and np.nanmedian(pairs) < FEWEST_PAIRS:
        return f"half of the layer pairs have fewer than {FEWEST_PAIRS} pairs"
    return ""


def enough_layers(grid: Frame, a: int = 3, b: int = 3) -> str:
    """Why a grid is too small; "" where it has the layers."""
    if grid.shape[0] < a or grid.shape[1] < b:
        return f"{grid.shape[0]} × {grid.shape[1]} layer pairs were scored; it takes {a} × {b}"
    return ""


def middle_and_edge(grid: Frame) -> tuple[float, float]:
    """Mean of the inner cells, and of those in the first or last row or column."""
    values = grid.to_numpy(float)
    inner = values[1:-1, 1:-1]
    edge = np.ones(values.shape, bool)
    edge[1:-1, 1:-1] = False
    return float(np.nanmean(inner)), float(np.nanmean(values[edge]))


def middle_highest(numbers: Numbers, quantity: str) -> Told:
    """Whether inner layers score above outer ones, on the mean and at the best cell."""
    grid = numbers.grid(quantity)
    if why := enough_layers(grid) or enough(numbers):
        return unknown(why)
    middle, edge = middle_and_edge(grid)
    best = grid.stack().idxmax()
    words = f"inner layers {middle:.2f}, outer {edge:.2f}; highest at {best[0]} × {best[1]}"
    return judged(middle > edge, words)


def last_drops(numbers: Numbers, quantity: str) -> Told:
    """Whether the last layer of B scores below the layer of B that scores best, for most layers of A."""
    grid = numbers.grid(quantity)
    if why := enough_layers(grid, 1, 3) or enough(numbers):
        return unknown(why)
    means = grid.mean()
    last, inner = float(means.iloc[-1]), float(means.iloc[1:-1].mean())
    return judged(last < inner, f"mean at the last layer of b {last:.2f}, at inner layers {inner:.2f}")


def above_null(numbers: Numbers, quantity: str, *, inner: bool) -> Told:
    """Whether every score (or every one of inner layers) stands above its null, p below .05."""
    value, null, p = (numbers.grid(f"{quantity}{more}") for more in ("", " null", " p"))
    if not value.size or not p.size:
        return unknown("no score with a null is there")
    if inner:
        if why := enough_layers(value):
            return unknown(why)
        value, null, p = (grid.iloc[1:-1, 1:-1] for grid in (value, null, p))
    if why := enough(numbers):
        return unknown(why)
    stands = (value.to_numpy() > null.to_numpy()) & (p.to_numpy() < ALPHA)
    return judged(bool(stands.all()), f"{int(stands.sum())} of {stands.size} layer pairs, p < {ALPHA}")


def about(value: float, expected: float, margin: float, words: str) -> Told:
    """Whether a number lies within a margin of the printed one."""
    if np.isnan(value):
        return unknown("no layer pair has it")
    return judged(abs(value - expected) <= margin, f"{words} {value:.2f}, printed about {expected:.2f}")


def in_both(x: Frame, y: Frame) -> Frame:
    """The cells that two grids have in common, a column a grid."""
    return pd.concat([x.stack(), y.stack()], axis=1, join="inner").dropna()


def trend(x: Frame, y: Frame) -> tuple[float, float, int]:
    """Spearman's rank correlation of two grids over their common cells, its p, and the number of cells."""
    both = in_both(x, y)
    if len(both) < 4:
        return float("nan"), float("nan"), len(both)
    found: Any = spearmanr(both.iloc[:, 0], both.iloc[:, 1])
    return float(found.statistic), float(found.pvalue), len(both)


def higher_than(one: Frame, other: Frame, names: Sequence[str]) -> Told:
    """Whether one grid is above another in most common cells."""
    both = in_both(one, other)
    if both.empty:
        return unknown("no layer pair has both")
    above = int((both.iloc[:, 0] > both.iloc[:, 1]).sum())
    means = both.mean()
    names_and_means = f"means {names[0]} {means.iloc[0]:.2f}, {names[1]} {means.iloc[1]:.2f}"
    words = f"{above} of {len(both)} layer pairs; {names_and_means}"
    return judged(above > len(both) / 2 and means.iloc[0] > means.iloc[1], words)
