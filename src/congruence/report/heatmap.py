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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MUTED, EMPTY = "#5b6672", "#e9ecef"
_STYLE = {
    "font.family": "DejaVu Sans", "text.parse_math": False, "text.usetex": False, "svg.fonttype": "path",
    "svg.hashsalt": "congruence", "axes.linewidth": 0.0, "figure.dpi": 100.0,
    "path.simplify": True, "axes.unicode_minus": True,
}  # fmt: skip
_PNG_DPI = 170
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

    def box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A rectangle as matplotlib wants it: shares of the figure, from the bottom left."""
        return (
            left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height
        )  # fmt: skip


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
        return {
            "png": _bytes(figure, "png", dpi=_PNG_DPI),
            "svg": _bytes(figure, "svg", metadata={"Date": None}),
        }


def _bytes(figure: "Figure", kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, facecolor="white", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _draw(picture: Picture, side_a: str, side_b: str) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layout = _layout(picture)
    figure = Figure(figsize=(layout.width, layout.height))
    FigureCanvasAgg(figure)
    wide, high = layout.panel_width, layout.panel_height
    sheet = Sheet(figure, layout.width, layout.height)
    for index, panel in enumerate(picture.panels):
        row, column = divmod(index, layout.columns)
        left, top = _LEFT + column * (wide + _GAP), layout.top + layout.above_panel + row * layout.step
        _panel(sheet, panel, picture.scale, layout, (left, top))
        if column == 0:
            words = _short(f"{side_a}: layer", high, 9)
            sheet.words(left - 0.38, top + high / 2, words, 9, INK, ha="center", va="center", rotation=90)
        if index + layout.columns >= len(picture.panels):
            words = _short(f"{side_b}: layer", wide, 9)
            sheet.words(left + wide / 2, top + high + 0.34, words, 9, INK, ha="center", va="center")
    sheet.finish()
    left = _LEFT + layout.columns * (wide + _GAP) - _GAP + 0.28
    axes = figure.add_axes(layout.box(left, layout.top + layout.above_panel, 0.15, high))
    _colour_bar(axes, picture, high)
    _words(figure, picture, layout)
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
        sheet.number(x + wide / 2, y + high / 2, panel.text(scale, value), layout.font_size, ink)
        if panel.stars[row, column] and not np.isnan(place):
            sheet.star(x + wide - 0.07, y + 0.07, min(high, 0.42) * 72 * 0.2, ink)
    size = min(8.5, layout.font_size + 1.5)
    for column, layer in enumerate(grid.layers_b):
        below = top + len(grid.layers_a) * high + 0.06 + size / 144
        sheet.number(left + (column + 0.5) * wide, below, str(layer), size, INK)
    for row, layer in enumerate(grid.layers_a):
        sheet.number(left - 0.06, top + (row + 0.5) * high, str(layer), size, INK, right=True)
    if panel.best:
        row, column = panel.best
        sheet.frame(left + column * wide, top + row * high, wide, high)
    if panel.title:
        words = _short(panel.title, len(grid.layers_b) * wide + _GAP, 9)
        sheet.words(left, top - 0.07, words, 9, INK, ha="left", va="bottom")


def _mesh(axes: "Axes", places: np.ndarray, palette: str) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list(palette, LIGHT[palette], N=256)
    axes.pcolormesh(places, cmap=colours, vmin=0, vmax=1, edgecolor="face", linewidth=0.2)


def _colour_bar(axes: "Axes", picture: Picture, height: float) -> None:
    scale = picture.scale
    _mesh(axes, np.linspace(0, 1, 4 * LEVELS)[:, None], scale.palette)
    axes.set_ylim(0, 4 * LEVELS)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    ticks = _bar_ticks(picture, spacing=0.16 / height)
    axes.set_yticks([place * 4 * LEVELS for place, _, _ in ticks], [text for _, text, _ in ticks])
    axes.tick_params(length=3, width=0.8, labelsize=8, colors=MUTED, pad=2)
    for label, (_, _, marked) in zip(axes.get_yticklabels(), ticks, strict=True):
        if marked:
            label.set_color(INK)
            label.set_fontweight("bold")
    for place, _, marked in ticks:
        if marked:
            axes.axhline(place * 4 * LEVELS, color=INK, linewidth=1.6)
    axes.set_title(_short(scale.label, 1.4, 8), fontsize=8, color=MUTED, loc="left", pad=5)


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


def _words(figure: "Figure", picture: Picture, layout: _Layout) -> None:
    left, (title, subtitle) = 0.16 / layout.width, layout.words
    below = 0.17 + _TITLE * len(title)
    for lines, top, style in (
        (title, 0.14, {"fontsize": 11.5, "fontweight": "bold", "color": INK}),
        (subtitle, below, {"fontsize": 8.5, "color": MUTED}),
    ):
        figure.text(left, 1 - top / layout.height, "\n".join(lines), va="top", linespacing=1.3, **style)
    figure.text(left, 0.12 / layout.height, _legend(picture), fontsize=7.8, color=MUTED, va="bottom")


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
