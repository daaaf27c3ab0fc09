"""Heat maps over layer pairs: several in one figure share their colours."""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from congruence.report.paper.style import EMPTY, MARK, PaperFigure, Style, in_force, letters, new_figure
from congruence.report.pictures import Panel
from congruence.report.scales import LIGHT, Scale, shade, text_on

_SMALLEST_WITH_TEXT = 0.2
"""Inches of a cell below which its number can't be read."""


def heat_maps(panels: Sequence[Panel], axes_names: tuple[str, str], style: Style, title: str) -> PaperFigure:
    """One or more heat maps in a figure; those of one scale have one colour bar.

    Args:
        panels: what to draw.
        axes_names: of the rows and of the columns.
        style: width and type.
        title: of the whole, drawn where the style asks for it.
    """
    columns = _columns(panels, style)
    rows = math.ceil(len(panels) / columns)
    down, across = panels[0].grid.values.shape
    wide = (style.inches - 0.45) / columns - 0.2
    cell = wide / across
    high = float(np.clip(cell * 0.8, 0.09, 0.36)) * down
    scales = list({id(panel.scale): panel.scale for panel in panels}.values())
    line = style.font_size / 72
    height = rows * (max(high, 4.5 * line) + (2.6 if len(panels) > 1 else 1.2) * line) + 1.6 * line
    height += 4.2 * line * len(scales)
    longest = max(map(_longest, panels))
    with in_force(style):
        figure = new_figure(style, height, title)
        grid = cast(np.ndarray, figure.subplots(rows, columns, squeeze=False))
        drawn = {}
        for index, axes in enumerate(grid.flat):
            if index >= len(panels):
                axes.set_visible(False)
                continue
            drawn.setdefault(id(panels[index].scale), []).append(axes)
            heat_map(axes, panels[index], style, longest, (cell, max(high, 4.5 * line) / down))
            letters(axes, index, panels[index].title, len(panels) > 1)
            if index % columns == 0:
                axes.set_ylabel(axes_names[0])
            if index + columns >= len(panels):
                axes.set_xlabel(axes_names[1])
        for scale in scales:
            colour_bar(figure, drawn[id(scale)] if len(scales) > 1 else list(grid.flat), scale)
        return figure


def heat_map(axes: Axes, panel: Panel, style: Style, longest: int, cell: tuple[float, float]) -> None:
    """One heat map: shade, number and star of every cell, a frame around the best.

    Numbers of all panels have the size at which `longest` characters fit a cell (inches).
    """
    values, scale = panel.grid.values, panel.scale
    places = np.vectorize(scale.position, otypes=[float])(values)
    colours = colour_map(scale)
    axes.imshow(np.ma.masked_invalid(places), cmap=colours, vmin=0, vmax=1, aspect="auto")
    size = min(style.font_size - 1, (cell[0] - 0.04) * 72 / (0.6 * longest), cell[1] * 72 * 0.72)
    legible = size >= 3.8 and cell[0] >= _SMALLEST_WITH_TEXT
    for (row, column), value in np.ndenumerate(values):
        place = places[row, column]
        ink = MARK if np.isnan(place) else text_on(shade(LIGHT[scale.palette], place))
        star = "*" if panel.stars[row, column] and not np.isnan(place) else ""
        text = panel.text(value) + star if legible else star
        if text:
            here = {"fontsize": size} if legible else {"fontsize": max(4.0, min(cell) * 72 * 0.8)}
            middle = "center" if legible else "center_baseline"
            axes.text(column, row, text, ha="center", va=middle, color=ink, **cast(Any, here))
    if panel.best:
        corner = panel.best[1] - 0.5, panel.best[0] - 0.5
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=MARK, linewidth=1.4, clip_on=False))
    across, down = panel.grid.layers_b, panel.grid.layers_a
    room = style.font_size / 72 * 1.1
    for ticks, names, each in ((axes.set_xticks, across, cell[0]), (axes.set_yticks, down, cell[1])):
        wide = max(len(str(name)) for name in names) if ticks == axes.set_xticks else 1.2
        step = max(1, math.ceil(room * 0.62 * wide / each))
        ticks(range(0, len(names), step), [str(name) for name in names[::step]])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def colour_map(scale: Scale) -> ListedColormap:
    """The shades of a scale as matplotlib takes them; grey where there is no number."""
    colours = ListedColormap([shade(LIGHT[scale.palette], i / 255) for i in range(256)])
    return cast(ListedColormap, colours.with_extremes(bad=EMPTY))


def colour_bar(figure: PaperFigure, beside: list[Axes], scale: Scale) -> None:
    """The shades of a scale below some heat maps, with its values."""
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(
        ScalarMappable(cmap=colour_map(scale)),
        ax=beside,
        location="bottom",
        fraction=0.06,
        aspect=28,
        pad=0.03,
    )
    ticks = [(scale.position(value), scale.text(value)) for value in scale.ticks]
    kept: list[tuple[float, str]] = []
    for place, text in sorted(ticks):
        if np.isfinite(place) and all(abs(place - other) > 0.07 for other, _ in kept):
            kept.append((place, text))
    bar.set_ticks([place for place, _ in kept], labels=[text for _, text in kept])
    bar.set_label(scale.label)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]


def _longest(panel: Panel) -> int:
    """Characters of the longest number in a heat map, with its star."""
    return max(len(panel.text(value)) for value in panel.grid.values.flat) + bool(panel.stars.any())


def _columns(panels: Sequence[Panel], style: Style) -> int:
    across = panels[0].grid.values.shape[1]
    if style.width == "column":
        return 1 if len(panels) == 1 or across > 6 else 2
    return min(len(panels), 3 if across <= 14 else 2)
