"""From a value to its place on a colour scale, and to the text in its cell."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from congruence.report.numbers import ALPHA, format_p, format_score, short_count


@dataclass(frozen=True)
class Scale:
    """A colour scale.

    Attributes:
        palette: "score", "evidence" or "count".
        low, high: values at the pale and at the strong end. For p and q low is 1 and high is the floor.
        log: distances are ratios.
        text: writes a value into its cell.
        ticks: values named on the colour bar.
        label: what the colour means.
    """

    palette: str
    low: float
    high: float
    text: Callable[[float], str]
    ticks: tuple[float, ...]
    label: str
    log: bool = False

    def position(self, value: float) -> float:
        """Place between 0 and 1, clipped; NaN where there is no value."""
        if not math.isfinite(value):
            return math.nan
        if self.log:
            tiny = min(self.low, self.high)
            place = math.log(max(value, tiny) / self.low) / math.log(self.high / self.low)
        else:
            place = (value - self.low) / (self.high - self.low)
        return min(max(place, 0.0), 1.0)


def score_scale(values: np.ndarray, *, label: str) -> Scale:
    """0 to 1 for every measure that lives there, so that pictures compare; else from 0 to the largest."""
    finite = values[np.isfinite(values)]
    top = float(finite.max()) if finite.size else 1.0
    high = 1.0 if top <= 1.0 + 1e-9 else _round_up(top)
    decimals = 2 if top >= 0.095 else 3
    ticks = tuple(high * part for part in (0, 0.25, 0.5, 0.75, 1))
    return Scale("score", 0.0, high, lambda value: format_score(value, decimals), ticks, label)


def difference_scale(values: np.ndarray, *, label: str) -> Scale:
    """As far below 0 as above it."""
    finite = np.abs(values[np.isfinite(values)])
    high = _round_up(max(float(finite.max()) if finite.size else 1.0, 0.01))
    ticks = tuple(high * part for part in (-1, -0.5, 0, 0.5, 1))
    return Scale("score", -high, high, lambda value: format_score(value, 2), ticks, label)


def p_scale(draws: int, *, label: str) -> Scale:
    """From 1 (pale) to the smallest p that the draws allow, in ratios."""
    floor = 1 / (1 + max(draws, 99))
    ticks = [1.0, 0.3, ALPHA, 0.01]
    ticks += [10.0**-k for k in range(3, 9) if 10.0**-k >= floor * 0.99]
    return Scale("evidence", 1.0, floor, format_p, tuple(ticks), label, log=True)


def count_scale(values: np.ndarray, *, label: str) -> Scale:
    """From 0 to the largest count; in ratios where the counts span more than a factor of 50."""
    finite = values[np.isfinite(values)]
    top = max(float(finite.max()) if finite.size else 1.0, 1.0)
    smallest = float(finite[finite > 0].min()) if (finite > 0).any() else 1.0
    if top / smallest <= 50:
        high = _round_up(top)
        return Scale("count", 0.0, high, short_count, (0.0, high / 2, high), label)
    ticks = [10.0**k for k in range(9) if smallest <= 10.0**k <= top]
    return Scale("count", smallest, top, short_count, tuple(ticks), label, log=True)


def _round_up(value: float) -> float:
    unit = 10 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * unit >= value * (1 - 1e-12))
