"""From a value to its place on a scale, its colour and its text. Lightness alone carries the value."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from congruence.view.numbers import ALPHA, format_p, short_count
from congruence.wording import format_score

LEVELS = 25
BLACK, WHITE = "#000000", "#ffffff"

LIGHT = {
    "score": ("#f6f8e6", "#d4ecc8", "#9ad7c3", "#55b9c6", "#2f8fbf", "#2a61a3", "#1c2f6b"),
    "evidence": ("#f7f4fa", "#e2d8ee", "#c3afdd", "#a07fc6", "#7d4fa8", "#582a84", "#33105a"),
    "count": ("#fdf6ec", "#fae0bf", "#f3bf86", "#e39a55", "#c5722f", "#954e1d", "#5e2f12"),
}
"""On a light page much is dark."""

DARK = {
    "score": ("#1d2733", "#1f3d59", "#235c82", "#2b7fa3", "#4fa9ae", "#95d2b3", "#e6f2c0"),
    "evidence": ("#231f31", "#392b5d", "#553c88", "#7653ae", "#9a7acb", "#c3aae4", "#efe5fb"),
    "count": ("#2a211a", "#4c311a", "#76461e", "#a56329", "#cf8a47", "#eebb83", "#fdebd2"),
}
"""On a dark page much is bright."""


def shade(palette: Sequence[str], position: float) -> str:
    """The colour at `position` (0 to 1, clipped) of a list of anchors, as #rrggbb.

    >>> shade(("#000000", "#ffffff"), 0.5)
    '#808080'
    """
    place = min(max(float(position), 0.0), 1.0) * (len(palette) - 1)
    first = min(int(place), len(palette) - 2)
    ends = zip(_rgb(palette[first]), _rgb(palette[first + 1]), strict=True)
    return "#" + "".join(f"{round(one + (place - first) * (other - one)):02x}" for one, other in ends)


def level(position: float) -> int:
    """The nearest of LEVELS steps."""
    return round(min(max(float(position), 0.0), 1.0) * (LEVELS - 1))


@lru_cache(maxsize=1024)
def text_on(background: str) -> str:
    """Black or white, whichever contrasts more; on any colour that is at least 4.5 to 1."""
    return max((BLACK, WHITE), key=lambda ink: contrast(ink, background))


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours, 1 to 21.

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    channels = np.array(_rgb(colour)) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


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
