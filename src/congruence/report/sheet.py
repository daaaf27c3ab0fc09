"""Many cells and short texts of a figure, drawn in a few strokes: matplotlib takes a millisecond a piece."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path as Outline

Box = tuple[float, float, float, float]


@dataclass
class Sheet:
    """What stands on a figure, in inches from its top left."""

    cells: list[Box] = field(default_factory=list)
    shades: list[str] = field(default_factory=list)
    outlines: list["Outline"] = field(default_factory=list)
    places: list[tuple[float, float]] = field(default_factory=list)
    inks: list[str] = field(default_factory=list)
    stars: list[tuple[float, float, str]] = field(default_factory=list)

    def cell(self, left: float, top: float, wide: float, high: float, shade: str) -> None:
        """A filled rectangle with a white edge."""
        self.cells.append((left, top, wide, high))
        self.shades.append(shade)

    def text(
        self, place: tuple[float, float], text: str, size: float, ink: str, *, align: float = 0.5
    ) -> None:
        """A short text of `size` points, its middle at a place; `align` is 0 to start there, 1 to end."""
        self.outlines.append(_outline(text, size, align))
        self.places.append(place)
        self.inks.append(ink)

    def draw(self, axes: "Axes", star_size: float) -> None:
        """Put everything on axes that are measured in inches."""
        from matplotlib.collections import PathCollection
        from matplotlib.transforms import Affine2D

        axes.add_collection(
            boxes_of(self.cells, self.shades, edgecolors="white", linewidths=1.0), autolim=False
        )
        texts = PathCollection(
            self.outlines, offsets=self.places, offset_transform=axes.transData, facecolors=self.inks,
            linewidths=0, zorder=2,
        )  # fmt: skip
        texts.set_transform(Affine2D().scale(1 / 72) + cast(Any, axes.figure).dpi_scale_trans)
        axes.add_collection(texts, autolim=False)
        if self.stars:
            x, y, inks = zip(*self.stars, strict=True)
            axes.scatter(x, y, marker="*", s=star_size**2, c=inks, linewidths=0, zorder=3)


def boxes_of(boxes: Sequence[Box], shades: Sequence[str], **options: Any) -> Any:
    """Filled rectangles (left, top, width, height) as one collection of matplotlib."""
    from matplotlib.collections import PolyCollection

    left, top, wide, high = np.array(boxes).T
    x = np.stack([left, left + wide, left + wide, left], axis=1)
    y = np.stack([top, top, top + high, top + high], axis=1)
    return PolyCollection(list(np.stack([x, y], axis=2)), facecolors=shades, **options)


@lru_cache(maxsize=4096)
def _outline(text: str, size: float, align: float) -> "Outline":
    """The outline of a text in points, around the point that it is put at."""
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    path = TextPath((0, 0), text, size=size, usetex=False)
    width = float(path.vertices[:, 0].max()) if len(path.vertices) else 0.0
    return path.transformed(Affine2D().translate(-width * align, -0.365 * size))
