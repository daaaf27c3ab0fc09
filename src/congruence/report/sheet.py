"""Many cells and short texts of a figure, drawn in a few strokes: matplotlib takes a millisecond a piece."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path as Outline

Box = tuple[float, float, float, float]
Mark = tuple[float, float, str]


@dataclass
class Sheet:
    """What stands on a figure, in inches from its top left."""

    cells: list[tuple[Box, str]] = field(default_factory=list)
    texts: dict[tuple[str, float, float], list[Mark]] = field(default_factory=dict)
    stars: list[Mark] = field(default_factory=list)

    def cell(self, box: Box, shade: str) -> None:
        """A filled rectangle (left, top, width, height) with a white edge."""
        self.cells.append((box, shade))

    def text(
        self, place: tuple[float, float], text: str, size: float, ink: str, *, align: float = 0.5
    ) -> None:
        """A short text of `size` points, its middle at a place; `align` is 0 to start there, 1 to end."""
        self.texts.setdefault((text, size, align), []).append((*place, ink))

    def draw(self, axes: "Axes", star_size: float) -> None:
        """Put everything on axes that are measured in inches; equal texts are one outline."""
        boxes, shades = zip(*self.cells, strict=True)
        axes.add_collection(boxes_of(boxes, shades, edgecolors="white", linewidths=1.0), autolim=False)
        if self.texts:
            axes.add_artist(_texts(axes, self.texts))
        if self.stars:
            x, y, inks = zip(*self.stars, strict=True)
            axes.scatter(x, y, marker="*", s=star_size**2, c=inks, linewidths=0, zorder=3)


def _texts(axes: "Axes", texts: dict[tuple[str, float, float], list[Mark]]) -> Any:
    """All texts as one artist."""
    from matplotlib.collections import PathCollection
    from matplotlib.transforms import Affine2D

    one = PathCollection([], offsets=[(0, 0)], offset_transform=axes.transData, linewidths=0)
    one.set_transform(Affine2D().scale(1 / 72) + cast(Any, axes.figure).dpi_scale_trans)
    one.set_snap(False)  # a dash is thinner than a pixel and would be snapped away
    one.set_figure(axes.figure)
    one.axes = axes
    one.set_clip_path(axes.patch)
    shown = [
        ([_outline(*text)], np.array([mark[:2] for mark in marks]), colours_of([ink for _, _, ink in marks]))
        for text, marks in texts.items()
    ]
    found = _in_turn()(one, shown)
    found.set_zorder(2)
    return found


@lru_cache(maxsize=1)
def _in_turn() -> Any:
    """A class of artists that put one collection's paths on a figure in turn.

    Making a collection for each of a hundred texts and adding it to the axes takes as long as drawing it.
    """
    from matplotlib.artist import Artist

    class InTurn(Artist):
        def __init__(self, one: Any, shown: Sequence[tuple[Any, np.ndarray, np.ndarray]]) -> None:
            super().__init__()
            self._one, self._shown = one, shown

        def draw(self, renderer: Any) -> None:
            for paths, places, inks in self._shown:
                self._one.set_paths(paths)
                self._one.set_offsets(places)
                self._one.set_facecolor(inks)
                self._one.draw(renderer)

    return InTurn


def boxes_of(boxes: Sequence[Box], shades: Sequence[str], **options: Any) -> Any:
    """Filled rectangles (left, top, width, height) as one collection of matplotlib."""
    from matplotlib.collections import PolyCollection

    left, top, wide, high = np.array(boxes).T
    x = np.stack([left, left + wide, left + wide, left], axis=1)
    y = np.stack([top, top, top + high, top + high], axis=1)
    return PolyCollection(list(np.stack([x, y], axis=2)), facecolors=colours_of(shades), **options)


def colours_of(shades: Sequence[str]) -> np.ndarray:
    """#rrggbb as rows of red, green and blue from 0 to 1."""
    return np.array([_rgb(shade) for shade in shades])


@lru_cache(maxsize=4096)
def _rgb(shade: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return to_rgb(shade)


@lru_cache(maxsize=1)
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())


def has_outlines(text: str) -> bool:
    """Whether the font has every character; matplotlib looks in other fonts for what is missing."""
    return set(map(ord, text)) <= _characters()


@lru_cache(maxsize=4096)
def _outline(text: str, size: float, align: float) -> "Outline":
    """The outline of a text in points, around the point that it is put at."""
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    path = TextPath((0, 0), text, size=size, usetex=False)
    width = float(path.vertices[:, 0].max()) if len(path.vertices) else 0.0
    return path.transformed(Affine2D().translate(-width * align, -0.365 * size))


def short(text: str, inches: float, size: float) -> str:
    """A text of `size` points that fits, with its middle left out where it is too long."""
    room = max(10, int((inches + 0.2) * 72 / (0.55 * size)))
    if len(text) <= room:
        return text
    kept = room - 1
    return f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"


def png(figure: "Figure") -> bytes:
    """Opaque and quickly packed: matplotlib's own way takes twice as long."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    dpi = 160 if figure.get_figheight() < 14 else 110
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    pixels = np.asarray(canvas.buffer_rgba())
    Image.fromarray(pixels).convert("RGB").save(buffer, "png", compress_level=2, dpi=(dpi, dpi))
    return buffer.getvalue()


def svg(figure: "Figure") -> bytes:
    """The same bytes each time: without a date, and with the names that rcParams["svg.hashsalt"] gives."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
