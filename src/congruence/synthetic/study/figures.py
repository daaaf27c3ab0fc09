"""The study's figures: colours that are told apart without colour vision, and line styles beside them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from congruence.storage import write_bytes
from congruence.synthetic.study import doing
from congruence.synthetic.study.scoring import FOUND, KNOWN
from congruence.synthetic.study.summary import Frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's, without yellow."""
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_MARKERS = "osD^vPX"
_MUTED = "#5b6672"
_STYLE = {
    "font.family": "DejaVu Sans", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 8.5, "legend.frameon": False, "text.parse_math": False, "figure.facecolor": "white",
}  # fmt: skip


def write_figures(summary: Frame, folder: Path) -> list[Path]:
    """Draw every figure that the summary has numbers for, as PNG; files of the same name are replaced.

    Raises:
        StorageError: the folder can't be written to.
    """
    import matplotlib

    from congruence.report.sheet import png

    paths = []
    with matplotlib.rc_context(cast(Any, _STYLE)):
        for name, draw in FIGURES.items():
            figure = draw(summary)
            if figure is not None:
                paths.append(folder / f"{name}.png")
                write_bytes(paths[-1], png(figure))
    return paths


def _matchers(summary: Frame) -> "Figure | None":
    table = summary[summary.chapter == "matchers"]
    if not len(table):
        return None
    worlds = list(dict.fromkeys(table.world))
    figure, axes = _grid(2, len(worlds), 1.75, 1.7)
    for column, world in enumerate(worlds):
        for place, quantity in enumerate(("precision", "recall")):
            one = axes[place][column]
            mine = table[(table.world == world) & (table.quantity == quantity)]
            for number, (method, line) in enumerate(mine.groupby("subject", sort=False)):
                x = line.setting.str.removeprefix("r > ").astype(float)
                one.plot(
                    x, line["mean"], color=_of(COLOURS, number), linestyle=_of(_DASHES, number), label=method
                )
            one.set_xlim(-0.03, 0.93)
            one.set_ylim(-0.03, 1.03)
            one.set_title(world if place == 0 else "")
            one.set_xlabel("r above" if place else "")
            one.set_ylabel(
                "pairs that are right" if place == 0 else "shared features found"
            ) if column == 0 else None
    _legend(figure, axes[0][0])
    return figure


def _filters(summary: Frame) -> "Figure | None":
    table = summary[summary.chapter == "filters"]
    if not len(table):
        return None
    worlds = list(dict.fromkeys(table.world))
    labels = list(dict.fromkeys((table.subject + " " + table.setting).str.strip()))
    figure, axes = _grid(1, len(worlds), 1.9, 0.19 * len(labels) + 0.5)
    for column, world in enumerate(worlds):
        one = axes[0][column]
        for number, quantity in enumerate(("precision", "recall")):
            mine = table[(table.world == world) & (table.quantity == quantity)]
            y = [labels.index(label) for label in (mine.subject + " " + mine.setting).str.strip()]
            words = ("pairs that are right", "shared features found")[number]
            one.scatter(mine["mean"], y, color=COLOURS[number], marker=_MARKERS[number], s=16, label=words)
        _named_rows(one, labels, first=column == 0)
        one.set_xlim(-0.03, 1.03)
        one.set_title(world)
    _legend(figure, axes[0][0])
    return figure


def _shares(summary: Frame) -> "Figure | None":
    table = summary[(summary.chapter == "share") & (summary.quantity == "score")]
    if not len(table):
        return None
    measures = list(dict.fromkeys(table.subject))
    columns = 6
    figure, axes = _grid(-(-len(measures) // columns), columns, 1.75, 1.45)
    for place, one in enumerate(axes.flat):
        if place >= len(measures):
            one.set_axis_off()
            continue
        one.plot([0, 1], [0, 1], color=_MUTED, linewidth=0.7, linestyle=":")
        for number, setting in enumerate((KNOWN, FOUND)):
            mine = table[(table.subject == measures[place]) & (table.setting == setting)].sort_values(
                "shared"
            )
            one.plot(
                mine.shared, mine["mean"], color=COLOURS[number], linestyle=_DASHES[number], label=setting
            )
            low, high = mine["mean"] - mine["sd"].fillna(0), mine["mean"] + mine["sd"].fillna(0)
            one.fill_between(mine.shared, low, high, color=COLOURS[number], alpha=0.2, linewidth=0)
        one.set_title(measures[place])
        one.set_ylim(-0.1, 1.05)
    _legend(figure, axes[0][0])
    figure.supxlabel("planted share", fontsize=8)
    return figure


def _power(summary: Frame) -> "Figure | None":
    table = summary[summary.quantity == "power"]
    if not len(table):
        return None
    chapters, measures = list(dict.fromkeys(table.chapter)), list(dict.fromkeys(table.subject))
    figure, axes = _grid(1, len(chapters), 2.9, 0.19 * len(measures) + 0.5)
    for column, chapter in enumerate(chapters):
        one = axes[0][column]
        for number, setting in enumerate((KNOWN, FOUND)):
            mine = table[(table.chapter == chapter) & (table.setting == setting)]
            y = [measures.index(measure) for measure in mine.subject]
            one.scatter(mine["mean"], y, color=COLOURS[number], marker=_MARKERS[number], s=18, label=setting)
        _named_rows(one, measures, first=column == 0)
        one.axvline(0.05, color=_MUTED, linewidth=0.7, linestyle=":")
        one.set_xlim(-0.03, 1.03)
        one.set_title(f"{chapter} features")
    _legend(figure, axes[0][0])
    return figure


def _chance(summary: Frame) -> "Figure | None":
    from scipy.stats import binom

    table = summary[(summary.chapter == "nothing shared") & (summary.quantity == "p ≤ .05")]
    if not len(table):
        return None
    measures = list(dict.fromkeys(table.subject))
    figure, axes = _grid(1, 1, 4.2, 0.19 * len(measures) + 0.5)
    one, worlds = axes[0][0], int(table.worlds.max())
    low, high = binom.interval(0.95, worlds, 0.05)
    one.axvspan(low / worlds, high / worlds, color="#e9ecef", linewidth=0)
    for number, (null, mine) in enumerate(table.groupby("setting", sort=False)):
        y = [measures.index(measure) + 0.18 * (number - 1) for measure in mine.subject]
        one.scatter(mine["mean"], y, color=COLOURS[number], marker=_MARKERS[number], s=16, label=null)
    _named_rows(one, measures, first=True)
    one.axvline(0.05, color=_MUTED, linewidth=0.7, linestyle=":")
    one.set_xlabel(f"share of {worlds} worlds with p ≤ .05")
    _legend(figure, one)
    return figure


def _dictionaries(summary: Frame) -> "Figure | None":
    table = summary[(summary.chapter == "dictionaries") & summary.quantity.isin(_SHOWN)]
    if not len(table):
        return None
    subjects = list(dict.fromkeys(table.subject))
    figure, axes = _grid(1, len(subjects), 2.9, 1.9)
    for column, subject in enumerate(subjects):
        one = axes[0][column]
        mine = table[table.subject == subject]
        for quantity, line in mine.groupby("quantity", sort=False):
            number = _SHOWN.index(str(quantity))
            x = line.world.str.partition(" ")[0].astype(float)
            one.plot(
                x, line["mean"], color=_of(COLOURS, number), linestyle=_of(_DASHES, number),
                marker=_MARKERS[number], markersize=4, label=quantity,
            )  # fmt: skip
        one.set_xscale("log", base=2)
        ticks = sorted({float(world.partition(" ")[0]) for world in table.world})
        one.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        one.set_ylim(-0.03, 1.03)
        one.set_title(subject)
        one.set_xlabel("features per dimension")
        one.legend(fontsize=6.5, loc="lower left")
    return figure


def _function(summary: Frame) -> "Figure | None":
    table = summary[summary.chapter == doing.CHAPTER]
    if not len(table):
        return None
    worlds = [world for world in dict.fromkeys(table.world) if doing.HALF in world]
    figure, axes = _grid(len(worlds), 3, 2.3, 1.8)
    for place, world in enumerate(worlds):
        kind = world.partition(": ")[2]
        for number, (question, asked) in enumerate(table.groupby("subject", sort=False)):
            style = {"color": _of(COLOURS, number), "linestyle": _of(_DASHES, number), "label": question}
            curve = asked[(asked.world == world) & asked.setting.str.startswith(">")]
            for column, quantity in enumerate(("precision", "recall")):
                line = curve[curve.quantity == quantity]
                axes[place][column].plot(
                    line.setting.str.removeprefix("> ").astype(float), line["mean"], **style
                )
            names = asked.world.str.partition(": ")
            all_fire_alike = names[0].map(lambda name: doing.KINDS[name]["shared"] == 1)
            said = asked[(asked.quantity == "said of") & (names[2] == kind) & all_fire_alike]
            told = said.assign(planted=names[0][said.index].map(doing.planted_share))
            told = told.sort_values("planted", kind="stable")
            axes[place][2].plot(
                told.planted, told["mean"], marker=_of(_MARKERS, number), markersize=3.5, **style
            )
        axes[place][2].plot([0, 1], [0, 1], color=_MUTED, linewidth=0.7, linestyle=":")
        titles = (
            "pairs above that do the same",
            "found of those that do",
            "all fire alike: said to do the same",
        )
        labels = ("score above", "score above", "planted share")
        for one, title, label in zip(axes[place], titles, labels, strict=True):
            one.set_ylim(-0.03, 1.03)
            one.set_title(title)
            one.set_xlabel(label)
        axes[place][0].set_ylabel(kind)
    _legend(figure, axes[0][0])
    return figure


def _transfer(summary: Frame) -> "Figure | None":
    table = summary[summary.chapter == "transfer"]
    if not len(table):
        return None
    shown = ("R²", "EV of A's own", "F1 of firing")
    figure, axes = _grid(1, len(shown), 2.3, 2.0, 0.45)
    for column, quantity in enumerate(shown):
        one = axes[0][column]
        mine = table[(table.quantity == quantity) & (table.subject != "ridge")]  # ridge lies on affine
        for number, ((kind, null), found) in enumerate(mine.groupby(["subject", "setting"], sort=False)):
            line = found.sort_values("shared")
            one.plot(
                line.shared, line["mean"], color=_of(COLOURS, number), linestyle=_of(_DASHES, number),
                marker=_of(_MARKERS, number), markersize=3.5, label=f"{kind}, {null}" if null else kind,
            )  # fmt: skip
        one.set_ylim(-1.05, 1.05)
        one.set_title(quantity)
        one.set_xlabel("planted share")
    _legend(figure, axes[0][0], columns=4)
    return figure


_SHOWN = (
    "F1 of firing",
    "FVU",
    "coverage",
    "precision",
    "recall",
    "concepts held",
    "recall of what both hold",
)

FIGURES: dict[str, Callable[[Frame], "Figure | None"]] = {
    "matchers": _matchers,
    "filters": _filters,
    "function": _function,
    "shares": _shares,
    "power": _power,
    "chance": _chance,
    "dictionaries": _dictionaries,
    "transfer": _transfer,
}


def _grid(
    rows: int, columns: int, wide: float, high: float, legend: float = 0.28
) -> "tuple[Figure, np.ndarray]":
    """A figure with room for a legend on top, and its axes (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(columns * wide + 1.2, rows * high + 0.7), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0.01, 1, 0.99 - legend / (rows * high + 0.7)))  # type: ignore[union-attr]
    return figure, figure.subplots(rows, columns, squeeze=False, sharey="row")


def _legend(figure: "Figure", one: "Axes", columns: int = 7) -> None:
    handles, labels = one.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=min(columns, len(labels)), fontsize=7.5)


def _named_rows(one: "Axes", labels: list[str], *, first: bool) -> None:
    if first:  # the others share its axis
        one.set_yticks(range(len(labels)), labels)
    one.set_ylim(len(labels) - 0.5, -0.5)
    one.grid(axis="y", color="#e9ecef", linewidth=0.6)
    one.set_axisbelow(True)


def _of(values: Iterable[Any], number: int) -> Any:
    values = tuple(values)
    return values[number % len(values)]
