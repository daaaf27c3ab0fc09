"""How figures for papers look: width, size of the type, colours; and a Figure that a notebook shows."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from congruence.caches import settle_font_cache
from congruence.errors import InputError
from congruence.options import choice
from congruence.view.numbers import visible

WIDTHS = {"column": 3.35, "page": 6.9}
"""Inches."""
FORMATS = ("pdf", "svg", "png")
DPI = 300
SIDE_A, SIDE_B, CHANCE, MARK = "#0072b2", "#d55e00", "#9aa3ab", "#10161d"
"""Blue and vermilion of Okabe and Ito, which no kind of colour blindness confuses, a grey and an ink."""
INKS = (SIDE_A, SIDE_B, "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
EMPTY = "#e9ecef"


@dataclass(frozen=True)
class Style:
    """What is asked of figures for a paper.

    Attributes:
        width: "column" (3.35 inches) or "page" (6.9).
        font_size: of labels, in points; numbers in cells and names of layers are a little smaller.
        title: whether what the figure shows stands above it.
    """

    width: str = "column"
    font_size: float = 8.0
    title: bool = False

    def __post_init__(self) -> None:
        choice("width", self.width, tuple(WIDTHS))
        if isinstance(self.font_size, bool) or not isinstance(self.font_size, int | float):
            raise InputError(f"font_size={self.font_size!r} isn't a number: give points, such as 8")
        if not 4 <= self.font_size <= 24:
            raise InputError(f"font_size={self.font_size!r} can't be read on paper: give 4 to 24 points")

    @property
    def inches(self) -> float:
        return WIDTHS[self.width]

    @property
    def settings(self) -> dict[str, Any]:
        """matplotlib's, in force while a figure is drawn and while it is written."""
        small = self.font_size - 1
        return {
            "font.family": "DejaVu Sans", "font.size": self.font_size, "axes.titlesize": self.font_size,
            "axes.labelsize": self.font_size, "xtick.labelsize": small, "ytick.labelsize": small,
            "legend.fontsize": small, "figure.titlesize": self.font_size + 1, "text.parse_math": False,
            "text.usetex": False, "svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "congruence",
            "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "lines.linewidth": 1.2,
            "xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.spines.top": False,
            "axes.spines.right": False, "legend.frameon": False, "savefig.facecolor": "white",
            "axes.unicode_minus": True,
        }  # fmt: skip


class PaperFigure(Figure):
    """A matplotlib Figure, made without pyplot, that draws itself in a notebook and writes itself alike."""

    paper = Style()

    def _repr_png_(self) -> bytes:
        with in_force(self.paper):
            FigureCanvasAgg(self)
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=150)
        return buffer.getvalue()

    def written(self, suffix: str) -> bytes:
        """The figure as a file: text as text in PDF (TrueType) and SVG, PNG at 300 dots an inch.

        Without a date: the same figure is the same bytes.
        """
        choice("format", suffix, FORMATS)
        dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[suffix]
        buffer = io.BytesIO()
        with in_force(self.paper):
            self.savefig(buffer, format=suffix, dpi=DPI, metadata=cast(Any, dates))
        return buffer.getvalue()


@contextmanager
def in_force(style: Style) -> Iterator[None]:
    """matplotlib's settings of a style, for as long as the block runs."""
    settle_font_cache()
    with rc_context(cast(Any, style.settings)):
        yield


def new_figure(style: Style, height: float, title: str) -> PaperFigure:
    """An empty figure of the style's width; `title` stands above it where the style wants one."""
    figure = PaperFigure(figsize=(style.inches, height + (0.25 if style.title else 0)), layout="constrained")
    figure.paper = style
    cast(Any, figure.get_layout_engine()).set(w_pad=0.03, h_pad=0.03, wspace=0.04, hspace=0.04)
    if style.title:
        figure.suptitle(title)
    return figure


def quiet_name(text: object, most: int = 28) -> str:
    """A name from a run on one line, marks that can't be printed escaped."""
    name = visible(str(text)).replace("␣", " ")
    return name if len(name) <= most else name[: most - 1] + "…"


def letters(axes: Axes, index: int, words: str, many: bool) -> None:
    """(a), (b), … and what a panel shows, above it; a single panel needs neither."""
    if many:
        axes.set_title(f"({chr(ord('a') + index)}) {words}" if index < 26 else words, loc="left")
