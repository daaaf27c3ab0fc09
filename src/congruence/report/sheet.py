"""A figure drawn in inches from its top left: many cells and short texts in a few strokes.

matplotlib lays out every text and tick by itself, a millisecond each; a page of heat maps has thousands.
Here equal texts are one outline, and everything of one colour is drawn at once.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.path import Path

INK = "#10161d"
_POINTS = 72.0


class Sheet:
    """Collects what stands on a figure; `finish` draws it.

    Args:
        figure: what to draw on.
        width, height: its size in inches.
    """

    def __init__(self, figure: "Figure", width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height
        self._cells: list[tuple[tuple[float, float, float, float], str]] = []
        self._numbers: dict[str, list[Path]] = {}
        self._stars: dict[str, list[tuple[float, float, float]]] = {}
        self._frames: list[tuple[float, float, float, float]] = []

    def cell(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle with a white edge."""
        self._cells.append(((left, top, width, height), colour))

    def frame(self, left: float, top: float, width: float, height: float) -> None:
        """An outlined rectangle above everything."""
        self._frames.append((left, top, width, height))

    def star(self, x: float, y: float, size: float, colour: str) -> None:
        """A star of some points across."""
        self._stars.setdefault(colour, []).append((x, y, size**2))

    def number(self, x: float, y: float, text: str, size: float, colour: str, *, right: bool = False) -> None:
        """A short text centred on a point, or ending there."""
        from matplotlib.transforms import Affine2D

        if not text:
            return
        outline, width, middle = _outline(text)
        scale = size / _POINTS / _UNIT
        start = x - width * scale * (1.0 if right else 0.5)
        place = Affine2D().scale(scale, -scale).translate(start, y + middle * scale)
        self._numbers.setdefault(colour, []).append(outline.transformed(place))

    def words(self, x: float, y: float, text: str, size: float, colour: str, **options: Any) -> None:
        """A text in any script."""
        place = (x / self.width, 1 - y / self.height)
        self.figure.text(*place, text, fontsize=size, color=colour, **options)

    def finish(self) -> None:
        """Draw what was collected."""
        from matplotlib.collections import PathCollection, PolyCollection

        axes = self.figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        corners = [_corners(*box) for box, _ in self._cells]
        colours = [colour for _, colour in self._cells]
        axes.add_collection(
            PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=1.0), autolim=False
        )
        for colour, outlines in self._numbers.items():
            axes.add_collection(PathCollection(outlines, facecolors=colour, linewidths=0), autolim=False)
        for colour, stars in self._stars.items():
            x, y, sizes = np.array(stars).T
            axes.scatter(x, y, s=sizes, marker="*", c=colour, linewidths=0, zorder=3)
        frames = [_corners(*box) for box in self._frames]
        axes.add_collection(
            PolyCollection(frames, facecolors="none", edgecolors=INK, linewidths=2.2, zorder=4), autolim=False
        )


_UNIT = 100.0


@lru_cache(maxsize=4096)
def _outline(text: str) -> tuple["Path", float, float]:
    """The outline of a text at 100 points, its width, and the height of a digit's middle."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), text, size=_UNIT, prop=FontProperties(family="DejaVu Sans"), usetex=False)
    width = float(path.vertices[:, 0].max()) if len(path.vertices) else 0.0
    return path, width, 0.365 * _UNIT


def _corners(left: float, top: float, width: float, height: float) -> list[tuple[float, float]]:
    right, bottom = left + width, top + height
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
