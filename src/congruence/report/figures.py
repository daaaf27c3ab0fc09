"""Drawing pictures with matplotlib and writing them as PNG and SVG: no pyplot, no state left behind."""

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from congruence.caches import settle_font_cache
from congruence.report.concept_pictures import concept_pictures
from congruence.report.function import function_pictures
from congruence.report.pictures import Panel, Picture, headline_picture, pictures
from congruence.report.scales import LIGHT, Scale, shade, text_on
from congruence.report.sheet import Sheet, boxes_of, has_outlines, png, short, svg
from congruence.report.transfer import transfer_pictures
from congruence.run.results import Run, load_run
from congruence.storage import generations, write_bytes
from congruence.view.views import headline, measure_views

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "figures"
INK, MUTED, EMPTY = "#10161d", "#5b6672", "#e9ecef"
STYLE = {
    "font.family": "DejaVu Sans", "text.parse_math": False, "text.usetex": False, "svg.fonttype": "path",
    "svg.hashsalt": "congruence", "axes.unicode_minus": True, "figure.facecolor": "white",
}  # fmt: skip
_LEFT, _RIGHT, _GAP, _TOP_OF_PANEL, _BELOW_LAYERS = 0.86, 0.3, 0.3, 0.3, 0.5
_BAR, _BAR_LABEL, _BAR_WIDTH, _BAR_SLOT, _BARS, _LEGEND = 0.14, 0.5, 2.0, 3.3, 0.75, 0.3
_ROOM, _SMALLEST, _MIN_WIDTH = 14.0, (2.4, 1.45), 5.4


def write_figures(run_dir: str | Path | Run) -> list[Path]:
    """Draw the pictures of a finished run below ``figures/``; files of the same name are replaced.

    ``measure_<measure>``: score, mean of the null, calibrated score and q of every measure; ``pairs``: mean
    correlation and number of pairs before and after filtering; ``controls``; and ``headline``: score, null
    and ceiling of the headline measure side by side. Each as PNG and SVG. Concept subspaces add
    ``concepts_<measure>`` with score and q under every null, ``concepts_interaction_<measure>`` and
    ``concepts_pairs``; `function: transfer` adds ``transfer_r2`` and ``transfer_explained``, its
    other functions ``stitching_recovered`` and ``function_<question>``.

    Args:
        run_dir: a finished run, or its folder.

    Returns:
        The files written, PNG before SVG.

    Raises:
        StorageError: `run_dir` isn't a finished run or can't be written to.
    """
    run = run_dir if isinstance(run_dir, Run) else load_run(run_dir)
    views = measure_views(run)
    lead = headline(views) if views else None
    wanted = [*pictures(run, lead), *concept_pictures(run), *transfer_pictures(run), *function_pictures(run)]
    wanted += [headline_picture(run, lead)] if lead else []
    paths = []
    for picture in wanted:
        for suffix, content in render(picture, run.side_name("a"), run.side_name("b")).items():
            paths.append(run.folder / FOLDER / f"{picture.name}.{suffix}")
            write_bytes(paths[-1], content)
    generations.show(run.folder, FOLDER)
    return paths


def render(picture: Picture, side_a: str, side_b: str) -> dict[str, bytes]:
    """The picture as {"png": ..., "svg": ...}, the same bytes each time.

    Args:
        picture: what to draw.
        side_a: name of the model whose layers are the rows.
        side_b: name of the model whose layers are the columns.
    """
    settle_font_cache()
    import matplotlib

    with matplotlib.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = _draw(picture, side_a, side_b)
        return {"png": png(figure), "svg": svg(figure)}


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in inches from the top left."""

    rows: list[tuple[Panel, ...]]
    cell: tuple[float, float]
    panel: tuple[float, float]
    font_size: float
    title: list[str]
    subtitle: list[str]
    size: tuple[float, float]

    @property
    def layer_size(self) -> float:
        """Of the layers' names, in points."""
        return min(8.5, self.font_size + 1.5)

    @property
    def top(self) -> float:
        return _header(self.title, self.subtitle)

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Left and top of a panel."""
        step = self.panel[1] + _TOP_OF_PANEL + 0.1
        return _LEFT + column * (self.panel[0] + _GAP), self.top + _TOP_OF_PANEL + row * step


def _layout(picture: Picture) -> _Layout:
    grid = picture.panels[0].grid
    across, down = len(grid.layers_b), len(grid.layers_a)
    fitting = max(1, int(_ROOM / max(_SMALLEST[0], across * 0.42)))
    rows = [row[i : i + fitting] for row in picture.rows for i in range(0, len(row), fitting)]
    if len(picture.rows) == 1 and len(picture.rows[0]) > fitting:
        rows = _even(picture.rows[0], fitting)
    columns = max(len(row) for row in rows)
    wide = max(
        float(np.clip(_ROOM / columns / across, 0.3, 0.62 if columns < 3 else 0.5)), _SMALLEST[0] / across
    )
    high = max(min(wide, 0.62) * 0.66, 0.3, _SMALLEST[1] / down)
    longest = max(len(panel.text(v)) for panel in picture.panels for v in panel.grid.values.flat)
    font_size = float(np.clip((wide - 0.12) * 72 / (0.62 * max(longest, 3)), 4.5, 10))
    panel = across * wide, down * high
    width = max(
        _LEFT + columns * (panel[0] + _GAP) - _GAP + _RIGHT,
        _LEFT + len(picture.scales) * _BAR_SLOT,
        _MIN_WIDTH,
    )
    title = textwrap.wrap(picture.title, int((width - 0.3) * 72 / (0.62 * 11.5)))[:3] or [""]
    subtitle = [short(line, width - 0.3, 8.5) for line in picture.subtitle.splitlines()]
    height = (
        _header(title, subtitle)
        + len(rows) * (panel[1] + _TOP_OF_PANEL + 0.1)
        + _BELOW_LAYERS
        + _BARS
        + _LEGEND
    )
    return _Layout(rows, (wide, high), panel, font_size, title, subtitle, (width, height))


def _header(title: Sequence[str], subtitle: Sequence[str]) -> float:
    return 0.24 + 0.21 * len(title) + 0.17 * len(subtitle)


def _even(panels: tuple[Panel, ...], fitting: int) -> list[tuple[Panel, ...]]:
    """One row broken into rows of nearly the same length."""
    size = -(-len(panels) // -(-len(panels) // fitting))
    return [panels[i : i + size] for i in range(0, len(panels), size)]


def _draw(picture: Picture, side_a: str, side_b: str) -> "Figure":
    from matplotlib.figure import Figure

    layout = _layout(picture)
    figure, sheet = Figure(figsize=layout.size), Sheet()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, layout.size[0]), ylim=(layout.size[1], 0))
    axes.set_axis_off()
    wide, high = layout.panel
    for row, panels in enumerate(layout.rows):
        below = len(layout.rows[row + 1]) if row + 1 < len(layout.rows) else 0
        for column, panel in enumerate(panels):
            corner = layout.corner(row, column)
            _panel(axes, sheet, panel, layout, corner)
            if column == 0:
                _layers_a(sheet, panel, layout, corner)
                words, place = short(f"{side_a}: layer", high, 9), (corner[0] - 0.38, corner[1] + high / 2)
                axes.text(*place, words, fontsize=9, color=INK, ha="center", va="center", rotation=90)
            if column >= below:
                _layers_b(sheet, panel, layout, corner)
                words, place = (
                    short(f"{side_b}: layer", wide, 9),
                    (corner[0] + wide / 2, corner[1] + high + 0.34),
                )
                axes.text(*place, words, fontsize=9, color=INK, ha="center", va="center")
    for index, scale in enumerate(picture.scales):
        marks = picture.marks if index == 0 else ()
        _colour_bar(axes, sheet, scale, marks, (_LEFT + index * _BAR_SLOT, layout.size[1] - _LEGEND - 0.46))
    sheet.draw(axes, min(layout.cell[1], 0.42) * 72 * 0.2)
    _words(axes, picture, layout)
    return figure


def _panel(axes: "Axes", sheet: Sheet, panel: Panel, layout: _Layout, corner: tuple[float, float]) -> None:
    """Title, cells, their texts, stars and frame of one heat map."""
    from matplotlib.patches import Rectangle

    (left, top), (wide, high) = corner, layout.cell
    for (row, column), value in np.ndenumerate(panel.grid.values):
        x, y, colour = left + column * wide, top + row * high, _shade(panel.scale, value)
        ink = MUTED if colour == EMPTY else text_on(colour)
        sheet.cell((x, y, wide, high), colour)
        sheet.text((x + wide / 2, y + high / 2), panel.text(value), layout.font_size, ink)
        if panel.stars[row, column] and colour != EMPTY:
            sheet.stars.append((x + wide - 0.07, y + 0.07, ink))
    if panel.best:
        place = left + panel.best[1] * wide, top + panel.best[0] * high
        axes.add_patch(Rectangle(place, wide, high, fill=False, edgecolor=INK, linewidth=2.2, zorder=4))
    title = short(panel.title, layout.panel[0], 9)
    if has_outlines(title):
        sheet.text((left, top - 0.12), title, 9, INK, align=0.0)
    else:
        axes.text(left, top - 0.07, title, fontsize=9, color=INK, va="bottom")


def _layers_a(sheet: Sheet, panel: Panel, layout: _Layout, corner: tuple[float, float]) -> None:
    """Names of the rows, to the left of a heat map."""
    (left, top), high = corner, layout.cell[1]
    for row, layer in enumerate(panel.grid.layers_a):
        place = left - 0.06, top + (row + 0.5) * high
        sheet.text(place, str(layer), layout.layer_size, INK, align=1.0)


def _layers_b(sheet: Sheet, panel: Panel, layout: _Layout, corner: tuple[float, float]) -> None:
    """Names of the columns, below a heat map."""
    left, below = corner[0], corner[1] + layout.panel[1] + 0.06 + layout.layer_size / 144
    for column, layer in enumerate(panel.grid.layers_b):
        sheet.text((left + (column + 0.5) * layout.cell[0], below), str(layer), layout.layer_size, INK)


def _shade(scale: Scale, value: float) -> str:
    place = scale.position(value)
    return EMPTY if np.isnan(place) else shade(LIGHT[scale.palette], place)


def _colour_bar(
    axes: "Axes", sheet: Sheet, scale: Scale, marks: Sequence[tuple[float, str]], corner: tuple[float, float]
) -> None:
    """A scale's colours from left to right, its values below and the marks above."""
    left, top = corner[0] + _BAR_LABEL, corner[1]
    step = _BAR_WIDTH / 100
    boxes = [(left + i * step, top, step, _BAR) for i in range(100)]
    shades = [shade(LIGHT[scale.palette], i / 99) for i in range(100)]
    axes.add_collection(boxes_of(boxes, shades, edgecolors="face", linewidths=0.2), autolim=False)
    sheet.text((left - 0.1, top + _BAR / 2), scale.label, 8, MUTED, align=1.0)
    for place, text in _apart(
        [(scale.position(value), scale.text(value)) for value in _ends_first(scale.ticks)]
    ):
        sheet.text((left + place * _BAR_WIDTH, top + _BAR + 0.12), text, 8, MUTED)
    places = [(scale.position(value), text) for value, text in marks]
    for place, _ in places:
        x = left + place * _BAR_WIDTH
        axes.plot(
            [x, x], [top - 0.03, top + _BAR + 0.03], color=INK, linewidth=2, solid_capstyle="butt", zorder=3
        )
    if len(places) > 1 and abs(places[0][0] - places[-1][0]) < 0.6:
        places = [(float(np.mean([place for place, _ in places])), " · ".join(text for _, text in places))]
    for place, text in places:
        align = "left" if place < 0.25 else "right" if place > 0.75 else "center"
        axes.text(
            left + place * _BAR_WIDTH, top - 0.07, text, fontsize=8, fontweight="bold", color=INK, ha=align,
            va="bottom",
        )  # fmt: skip


def _apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Those that don't collide with an earlier one."""
    kept: list[tuple[float, str]] = []
    for place, text in ticks:
        if np.isfinite(place) and all(abs(place - other) >= 0.4 / _BAR_WIDTH for other, _ in kept):
            kept.append((place, text))
    return kept


def _ends_first(ticks: Sequence[float]) -> list[float]:
    return [*ticks[:1], *ticks[-1:], *ticks[1:-1]]


def _words(axes: "Axes", picture: Picture, layout: _Layout) -> None:
    """Title and subtitle above, the legend below."""
    lines = [(line, 11.5, 0.21, INK, "bold") for line in layout.title]
    lines += [(line, 8.5, 0.17, MUTED, "normal") for line in layout.subtitle]
    top = 0.14
    for line, size, step, colour, weight in lines:
        axes.text(0.16, top, line, fontsize=size, color=colour, weight=weight, va="top")
        top += step
    legend = [picture.legend] if picture.legend else []
    legend += ["frame: best layer pair"] if any(panel.best for panel in picture.panels) else []
    legend += ["–: no score"] if any(np.isnan(panel.grid.values).any() for panel in picture.panels) else []
    words = short("     ".join(legend), layout.size[0] - 0.3, 7.8)
    axes.text(0.16, layout.size[1] - 0.12, words, fontsize=7.8, color=MUTED, va="bottom")
