"""Drawing a picture with matplotlib's object interface: no pyplot, no display, no state left behind."""

import io
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from congruence.report.colours import LEVELS, LIGHT, shade, text_on
from congruence.report.numbers import ALPHA
from congruence.report.pictures import Panel, Picture
from congruence.report.scales import Scale
from congruence.report.sheet import INK, Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MUTED, EMPTY = "#5b6672", "#e9ecef"
_STYLE = {
    "font.family": "DejaVu Sans", "text.parse_math": False, "text.usetex": False, "svg.fonttype": "path",
    "svg.hashsalt": "congruence", "axes.linewidth": 0.0, "figure.dpi": 100.0,
    "path.simplify": True, "axes.unicode_minus": True,
}  # fmt: skip
_PNG_DPI = 170
_COMPRESSION = 2  # of 9
_BAR = 0.15
_LEFT, _RIGHT, _BOTTOM, _GAP = 0.92, 1.75, 0.84, 0.45
_SMALLEST = (2.1, 1.35)
_TITLE, _SUBTITLE, _TICKS, _MIN_WIDTH = 0.21, 0.17, 0.4, 5.4


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in inches from the top left."""

    cell_width: float
    cell_height: float
    font_size: float
    columns: int
    rows: int
    panel_width: float
    panel_height: float
    above_panel: float
    words: tuple[list[str], list[str]]
    width: float

    @property
    def top(self) -> float:
        return 0.3 + _TITLE * len(self.words[0]) + _SUBTITLE * len(self.words[1])

    @property
    def step(self) -> float:
        return self.above_panel + self.panel_height + (_TICKS if self.rows > 1 else 0.0)

    @property
    def height(self) -> float:
        spare = _TICKS if self.rows > 1 else 0.0
        return self.top + self.rows * self.step - spare + _BOTTOM


def render(picture: Picture, side_a: str, side_b: str) -> dict[str, bytes]:
    """The picture as {"png": ..., "svg": ...}.

    Args:
        picture: what to draw.
        side_a: name of the model whose layers are the rows.
        side_b: name of the model whose layers are the columns.
    """
    import matplotlib

    with matplotlib.rc_context(cast(Any, _STYLE)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = _draw(picture, side_a, side_b)
        return {"png": _png(figure), "svg": _svg(figure)}


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(_PNG_DPI)
    figure.set_facecolor("white")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    Image.fromarray(pixels).save(buffer, "png", compress_level=_COMPRESSION, dpi=(_PNG_DPI, _PNG_DPI))
    return buffer.getvalue()


def _svg(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    return buffer.getvalue()


def _draw(picture: Picture, side_a: str, side_b: str) -> "Figure":
    from matplotlib.figure import Figure

    layout = _layout(picture)
    figure = Figure(figsize=(layout.width, layout.height))
    wide, high = layout.panel_width, layout.panel_height
    sheet = Sheet(figure, layout.width, layout.height)
    for index, panel in enumerate(picture.panels):
        row, column = divmod(index, layout.columns)
        left, top = _LEFT + column * (wide + _GAP), layout.top + layout.above_panel + row * layout.step
        _panel(sheet, panel, picture.scale, layout, (left, top))
        if column == 0:
            words = _short(f"{side_a}: layer", high, 9)
            sheet.text(left - 0.38, top + high / 2, words, 9, INK, upwards=True)
        if index + layout.columns >= len(picture.panels):
            words = _short(f"{side_b}: layer", wide, 9)
            sheet.text(left + wide / 2, top + high + 0.34, words, 9, INK)
    left = _LEFT + layout.columns * (wide + _GAP) - _GAP + 0.28
    _colour_bar(sheet, picture, (left, layout.top + layout.above_panel), high)
    _words(sheet, picture, layout)
    sheet.finish()
    return figure


def _layout(picture: Picture) -> _Layout:
    grid = picture.panels[0].grid
    across, down = len(grid.layers_b), len(grid.layers_a)
    room = 14.0 if len(picture.panels) == 1 else 9.0
    columns = max(1, min(len(picture.panels), int(room / (max(across, 3) * 0.5))))
    cell_width = max(float(np.clip(room / columns / across, 0.3, 0.62)), _SMALLEST[0] / across)
    cell_height = max(min(cell_width, 0.62) * 0.66, 0.3, _SMALLEST[1] / down)
    longest = max(
        len(panel.text(picture.scale, v)) for panel in picture.panels for v in panel.grid.values.flat
    )
    font_size = float(np.clip((cell_width - 0.12) * 72 / (0.62 * max(longest, 3)), 4.5, 10))
    width = max(_LEFT + columns * (across * cell_width + _GAP) - _GAP + _RIGHT, _MIN_WIDTH)
    subtitle = [_short(line, width, 8.5) for line in picture.subtitle.splitlines()]
    titled = any(panel.title for panel in picture.panels)
    return _Layout(
        cell_width, cell_height, font_size, columns, -(-len(picture.panels) // columns), across * cell_width,
        down * cell_height, 0.3 if titled else 0.12, (_wrap(picture.title, width, 11.5), subtitle), width,
    )  # fmt: skip


def _panel(sheet: Sheet, panel: Panel, scale: Scale, layout: _Layout, corner: tuple[float, float]) -> None:
    """Cells, their texts, stars and layers of one heat map, its top left at `corner`."""
    grid, (left, top) = panel.grid, corner
    wide, high = layout.cell_width, layout.cell_height
    for (row, column), value in np.ndenumerate(grid.values):
        place = scale.position(value)
        colour = EMPTY if np.isnan(place) else shade(LIGHT[scale.palette], float(place))
        ink = MUTED if np.isnan(place) else text_on(colour)
        x, y = left + column * wide, top + row * high
        sheet.cell(x, y, wide, high, colour)
        sheet.text(x + wide / 2, y + high / 2, panel.text(scale, value), layout.font_size, ink)
        if panel.stars[row, column] and not np.isnan(place):
            sheet.star(x + wide - 0.07, y + 0.07, min(high, 0.42) * 72 * 0.2, ink)
    size = min(8.5, layout.font_size + 1.5)
    for column, layer in enumerate(grid.layers_b):
        below = top + len(grid.layers_a) * high + 0.06 + size / 144
        sheet.text(left + (column + 0.5) * wide, below, str(layer), size, INK)
    for row, layer in enumerate(grid.layers_a):
        sheet.text(left - 0.06, top + (row + 0.5) * high, str(layer), size, INK, align="right")
    if panel.best:
        row, column = panel.best
        sheet.frame(left + column * wide, top + row * high, wide, high)
    if panel.title:
        words = _short(panel.title, len(grid.layers_b) * wide + _GAP, 9)
        sheet.text(left, top - 0.07, words, 9, INK, align="left", at="bottom")


def _colour_bar(sheet: Sheet, picture: Picture, corner: tuple[float, float], height: float) -> None:
    """The scale's colours from below to above, what they mean, and the marks, its top left at `corner`."""
    scale, (left, top) = picture.scale, corner
    steps = 4 * LEVELS
    for step in range(steps):
        above = top + height * (1 - (step + 1) / steps)
        sheet.bar(left, above, _BAR, height / steps, shade(LIGHT[scale.palette], step / (steps - 1)))
    for place, text, marked in _bar_ticks(picture, spacing=0.16 / height):
        y, ink = top + height * (1 - place), INK if marked else MUTED
        sheet.bar(left + _BAR, y - 0.005, 0.04, 0.01, ink)
        sheet.text(left + _BAR + 0.07, y, text, 8, ink, align="left", bold=marked)
        if marked:
            sheet.bar(left, y - 0.011, _BAR, 0.022, INK)
    sheet.text(left, top - 0.07, _short(scale.label, 1.4, 8), 8, MUTED, align="left", at="bottom")


def _bar_ticks(picture: Picture, *, spacing: float) -> list[tuple[float, str, bool]]:
    """(place, text, is a mark) of what the colour bar names; what would collide with a mark gives way."""
    scale = picture.scale
    named: list[tuple[float, str, bool]] = []
    wanted = [(value, text, True) for value, text in reversed(picture.marks)]
    wanted += [(value, scale.text(value), False) for value in _ends_first(scale.ticks)]
    for value, text, marked in wanted:
        place = scale.position(value)
        if np.isfinite(place) and all(abs(place - other) >= spacing for other, _, _ in named):
            named.append((place, text, marked))
    return named


def _ends_first(ticks: Sequence[float]) -> list[float]:
    return [*ticks[:1], *ticks[-1:], *ticks[1:-1]]


def _words(sheet: Sheet, picture: Picture, layout: _Layout) -> None:
    top, (title, subtitle) = 0.14, layout.words
    for line in title:
        sheet.text(0.16, top, line, 11.5, INK, align="left", at="top", bold=True)
        top += _TITLE
    top += 0.03
    for line in subtitle:
        sheet.text(0.16, top, line, 8.5, MUTED, align="left", at="top")
        top += _SUBTITLE
    sheet.text(0.16, layout.height - 0.12, _legend(picture), 7.8, MUTED, align="left", at="bottom")


def _legend(picture: Picture) -> str:
    parts = []
    if any(panel.stars.any() for panel in picture.panels):
        plural = "s" if picture.tested > 1 else ""
        parts.append(f"★ q ≤ {ALPHA:g} over {picture.tested} layer pair{plural}")
    elif picture.tested:
        parts.append(f"no layer pair has q ≤ {ALPHA:g}")
    if any(panel.best for panel in picture.panels):
        parts.append("frame: best layer pair")
    if any(np.isnan(panel.grid.values).any() for panel in picture.panels):
        parts.append("–: no score")
    return "     ".join(parts)


def _wrap(text: str, inches: float, size: float) -> list[str]:
    return textwrap.wrap(text, max(20, int((inches - 0.3) * 72 / (0.62 * size))))[:3] or [""]


def _short(text: str, inches: float, size: float) -> str:
    room = max(10, int((inches + 0.2) * 72 / (0.55 * size)))
    if len(text) <= room:
        return text
    kept = room - 1
    return f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
