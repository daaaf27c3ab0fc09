"""A figure drawn in inches from its top left: many cells and short texts in a few strokes.

matplotlib lays out every text and tick by itself, a millisecond each; a page of heat maps has thousands.
Here equal texts are one outline, and everything of one colour is drawn at once.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path

INK = "#10161d"
FONT = "DejaVu Sans"
_POINTS = 72.0
_START = {"left": 0.0, "center": 0.5, "right": 1.0}

Align = Literal["left", "center", "right"]
At = Literal["top", "middle", "bottom"]


class Sheet:
    """Collects what stands on a figure; `finish` draws it.

    Args:
        figure: what to draw on.
        width, height: its size in inches.
    """

    def __init__(self, figure: "Figure", width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height
        self._cells: list[tuple[tuple[float, float, float, float], str]] = []
        self._bars: list[tuple[tuple[float, float, float, float], str]] = []
        self._texts: dict[str, list[Path]] = {}
        self._stars: dict[str, list[tuple[float, float, float]]] = {}
        self._frames: list[tuple[float, float, float, float]] = []

    def cell(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle with a white edge."""
        self._cells.append(((left, top, width, height), colour))

    def bar(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle without an edge."""
        self._bars.append(((left, top, width, height), colour))

    def frame(self, left: float, top: float, width: float, height: float) -> None:
        """An outlined rectangle above everything."""
        self._frames.append((left, top, width, height))

    def star(self, x: float, y: float, size: float, colour: str) -> None:
        """A star of some points across."""
        self._stars.setdefault(colour, []).append((x, y, size**2))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        align: Align = "center",
        at: At = "middle",
        bold: bool = False,
        upwards: bool = False,
    ) -> None:
        """A line of text, `size` points high.

        Args:
            x, y: the point that the text starts, is centred or ends at, and its height there.
            text: in any script; what the font has no outline for is left to matplotlib.
            size: in points.
            colour: of the text.
            align: which end of the text is at x.
            at: which part of its height is at y.
            bold: in bold face.
            upwards: turned to read from below, around (x, y).
        """
        from matplotlib.transforms import Affine2D

        if not text:
            return
        if not _has_outlines(text):
            self.figure.text(
                x / self.width, 1 - y / self.height, text, fontsize=size, color=colour, ha=align,
                va="center" if at == "middle" else at, fontweight="bold" if bold else "normal",
                rotation=90 if upwards else 0,
            )  # fmt: skip
            return
        outline, width = _outline(text, bold)
        place = Affine2D().translate(-width * _START[align], -_BASELINE[at] * _UNIT)
        place.scale(size / _POINTS / _UNIT, -size / _POINTS / _UNIT)
        if upwards:
            place.rotate_deg(-90)
        self._texts.setdefault(colour, []).append(outline.transformed(place.translate(x, y)))

    def finish(self) -> None:
        """Draw what was collected."""
        from matplotlib.collections import PolyCollection
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        axes = self.figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        for boxes, edge, line in ((self._cells, "white", 1.0), (self._bars, "face", 0.2)):
            corners, colours = [_corners(*box) for box, _ in boxes], [colour for _, colour in boxes]
            axes.add_collection(
                PolyCollection(corners, facecolors=colours, edgecolors=edge, linewidths=line), autolim=False
            )
        for colour, outlines in self._texts.items():
            whole = Path.make_compound_path(*outlines)
            axes.add_artist(PathPatch(whole, facecolor=colour, linewidth=0, zorder=2))
        for colour, stars in self._stars.items():
            x, y, sizes = np.array(stars).T
            axes.scatter(x, y, s=sizes, marker="*", c=colour, linewidths=0, zorder=3)
        frames = [_corners(*box) for box in self._frames]
        axes.add_collection(
            PolyCollection(frames, facecolors="none", edgecolors=INK, linewidths=2.2, zorder=4), autolim=False
        )


_UNIT = 100.0
# Height of the point that is asked for above a text's baseline, as a share of its size.
_BASELINE = {"top": 0.76, "middle": 0.365, "bottom": -0.21}


def _font(bold: bool) -> "FontProperties":
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=FONT, weight="bold" if bold else "normal")


@lru_cache(maxsize=4096)
def _outline(text: str, bold: bool) -> tuple["Path", float]:
    """The outline of a text at 100 points, and its width."""
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), text, size=_UNIT, prop=_font(bold), usetex=False)
    return path, float(path.vertices[:, 0].max()) if len(path.vertices) else 0.0


@lru_cache(maxsize=4096)
def _has_outlines(text: str) -> bool:
    return set(map(ord, text)) <= _characters()


@lru_cache(maxsize=1)
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_font(bold=False))).get_charmap())


def _corners(left: float, top: float, width: float, height: float) -> list[tuple[float, float]]:
    right, bottom = left + width, top + height
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
