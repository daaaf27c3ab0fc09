"""Colours of the heat maps. Lightness alone carries the value, so they read without colour vision too."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

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
    return round(float(np.clip(position, 0, 1)) * (LEVELS - 1))


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
