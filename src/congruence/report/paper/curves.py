"""Curves, bars and histograms of a run: what the heat maps don't show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from congruence.report.concepts import Subspace
from congruence.report.paper.style import (
    CHANCE,
    INKS,
    MARK,
    SIDE_A,
    SIDE_B,
    PaperFigure,
    Style,
    in_force,
    letters,
    new_figure,
    quiet_name,
)
from congruence.run.results import Run
from congruence.view.numbers import ALPHA, short_count
from congruence.view.views import MeasureView
from congruence.wording import format_score


def depth(run: Run, view: MeasureView, label: str, style: Style) -> PaperFigure:
    """The best score of each layer, and the depth of the layer that gives it, over relative depth."""
    values = view.grid("value").values
    with in_force(style):
        figure = new_figure(style, 1.9 if style.width == "page" else 3.3, f"{label} over depth")
        shape = (1, 2) if style.width == "page" else (2, 1)
        left, right = figure.subplots(*shape).flat
        for side, grid, layers, others, ink, mark in (
            ("a", values, view.layers_a, view.layers_b, SIDE_A, "o"),
            ("b", values.T, view.layers_b, view.layers_a, SIDE_B, "s"),
        ):
            known = [i for i, row in enumerate(grid) if np.isfinite(row).any()]
            best = [int(np.nanargmax(grid[i])) for i in known]
            at = [_relative(layers, i) for i in known]
            named = quiet_name(run.side_name(side))
            options = {"color": ink, "marker": mark, "markersize": 3, "label": named}
            left.plot(at, [grid[i, j] for i, j in zip(known, best, strict=True)], **options)
            right.plot(at, [_relative(others, j) for j in best], **options)
        if view.rows.null_mean.notna().any():
            left.axhline(float(view.rows.null_mean.mean()), color=CHANCE, linestyle="--", label="null mean")
        left.set(xlabel="relative depth", ylabel="score", xlim=(-0.03, 1.03))
        left.set_ylim(bottom=min(0.0, left.get_ylim()[0]))
        right.plot([0, 1], [0, 1], color=CHANCE, linestyle="--", linewidth=0.8)
        right.set(xlabel="relative depth", ylabel="depth of best partner", xlim=(-0.03, 1.03))
        left.legend()
        for index, (axes, words) in enumerate(((left, "best score"), (right, "best partner layer"))):
            letters(axes, index, words, many=True)
        return figure


def _relative(layers: Sequence[int], index: int) -> float:
    low, high = min(layers), max(layers)
    return (layers[index] - low) / (high - low) if high > low else 0.5


def draws(scores: np.ndarray, row: pd.Series, label: str, style: Style) -> PaperFigure:
    """Null scores of one layer pair as a histogram, with the observed score."""
    known = scores[np.isfinite(scores)]
    with in_force(style):
        figure = new_figure(style, 1.9, f"{label} at layers {row.layer_a} and {row.layer_b}")
        axes = figure.subplots()
        axes.hist(known, bins=min(40, max(8, len(known) // 20)), color=CHANCE, label=f"null ({row.null})")
        axes.axvline(float(row.value), color=SIDE_B, label=f"observed {format_score(row.value)}")
        axes.axvline(float(row.null_q95), color=MARK, linestyle=":", linewidth=0.9, label="95% of draws")
        axes.set(xlabel=label, ylabel="draws")
        axes.legend()
        return figure


def similarities(pairs: pd.DataFrame, style: Style, title: str) -> PaperFigure:
    """How r is distributed over the matcher's pairs and over those that the filters kept."""
    with in_force(style):
        figure = new_figure(style, 1.9, title)
        axes = figure.subplots()
        bins = np.linspace(min(0.0, float(pairs.r.min())), 1.0, 41)
        groups = (("matched", pairs.r, CHANCE), ("kept by the filters", pairs.r[pairs.kept], SIDE_A))
        for name, values, ink in groups:
            axes.hist(values, bins=bins.tolist(), color=ink, alpha=0.85, label=f"{name} ({len(values):,})")
        axes.set(xlabel="r of a pair", ylabel="pairs", xlim=(bins[0], 1))
        axes.legend()
        return figure


def firing(pairs: pd.DataFrame, names: tuple[str, str], style: Style, title: str) -> PaperFigure:
    """On how many tokens either feature of a kept pair fires, both in ratios."""
    kept = pairs[pairs.kept & (pairs.firings_a > 0) & (pairs.firings_b > 0)]
    with in_force(style):
        figure = new_figure(style, style.inches * (0.8 if style.width == "column" else 0.45), title)
        axes = figure.subplots()
        points = {"s": 5, "color": SIDE_A, "alpha": 0.5, "linewidths": 0, "rasterized": len(kept) > 5000}
        axes.scatter(kept.firings_a, kept.firings_b, **points)
        top = float(max(kept.firings_a.max(), kept.firings_b.max())) if len(kept) else 10.0
        low = float(min(kept.firings_a.min(), kept.firings_b.min())) / 1.2 if len(kept) else 1.0
        axes.plot([low, top], [low, top], color=CHANCE, linestyle="--", linewidth=0.8)
        axes.set(xscale="log", yscale="log", aspect="equal", xlim=(low, top * 1.2), ylim=(low, top * 1.2))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: short_count(value))
            axis.set_minor_formatter(lambda value, _: "")
        axes.set(xlabel=f"tokens, {quiet_name(names[0])}", ylabel=f"tokens, {quiet_name(names[1])}")
        return figure


def left_by_filters(cells: pd.DataFrame, style: Style) -> PaperFigure:
    """Pairs left after each filter, over all layer pairs."""
    names: dict[str, int] = {}
    for steps in cells.removed:
        for step in steps:
            names[str(step["step"])] = names.get(str(step["step"]), 0) + int(step["pairs"])
    left, counts = int(cells.pairs_before.sum()), [("matched", int(cells.pairs_before.sum()))]
    for name, removed in names.items():
        left -= removed
        counts.append((f"after {name}", left))
    return bars(counts, "pairs left", style, "Pairs left by each filter")


def bars(counts: Sequence[tuple[str, int]], label: str, style: Style, title: str) -> PaperFigure:
    """Counts as bars with their numbers."""
    with in_force(style):
        figure = new_figure(style, 0.55 + 0.24 * len(counts), title)
        axes = figure.subplots()
        numbers = [count for _, count in counts]
        drawn = axes.barh([quiet_name(name) for name, _ in counts], numbers, color=SIDE_A)
        axes.bar_label(drawn, [f"{count:,}" for count in numbers], padding=2, fontsize=style.font_size - 1)
        axes.set(xlabel=label, xlim=(0, max([*numbers, 1]) * 1.2))
        axes.invert_yaxis()
        return figure


def ways_of_pairing(ways: Sequence[tuple[str, pd.DataFrame]], style: Style) -> PaperFigure:
    """Mean r of each layer pair, and the number of pairs, under several ways of pairing."""
    with in_force(style):
        figure = new_figure(style, 1.9 if style.width == "page" else 3.3, "One-to-one and many-to-one pairs")
        left, right = figure.subplots(*((1, 2) if style.width == "page" else (2, 1))).flat
        cells = list(dict.fromkeys(zip(ways[0][1].layer_a, ways[0][1].layer_b, strict=True)))
        places = np.arange(len(cells))
        for index, (name, pairs) in enumerate(ways):
            groups = pairs.groupby(["layer_a", "layer_b"]).r
            mean, count = groups.mean().reindex(cells), groups.size().reindex(cells, fill_value=0)
            shift = (index - (len(ways) - 1) / 2) * 0.8 / len(ways)
            for axes, values in ((left, mean), (right, count)):
                axes.bar(places + shift, values, 0.8 / len(ways), color=INKS[index], label=name)
        step = max(1, -(-len(cells) // (12 if style.width == "column" else 16)))
        for index, (axes, words) in enumerate(((left, "mean r"), (right, "pairs"))):
            axes.set_xticks(places[::step], [f"{a}-{b}" for a, b in cells[::step]], rotation=90)
            axes.set(ylabel=words, xlabel="layer pair", xlim=(-0.7, len(cells) - 0.3))
            letters(axes, index, words, many=True)
        left.set_ylim(0, left.get_ylim()[1] * 1.3)
        left.legend(ncols=len(ways), loc="upper center")
        return figure


def concept_bars(found: Sequence[Subspace], measure: str, label: str, style: Style) -> PaperFigure:
    """The best score of each concept beside the null's mean there; a star where it stands."""
    rows = [(s.name, s.usual(measure).best) for s in found if s.scored(measure)]
    rows = [(name, best) for name, best in rows if best is not None]
    with in_force(style):
        figure = new_figure(style, 0.75 + 0.3 * len(rows), f"{label} inside concepts")
        axes = figure.subplots()
        places = np.arange(len(rows))
        values = [float(best.value) for _, best in rows]
        axes.barh(places - 0.2, values, 0.38, color=SIDE_A, label="best layer pair")
        nulls = [float(best.null_mean) for _, best in rows]
        axes.barh(places + 0.2, nulls, 0.38, color=CHANCE, label="null mean there")
        for place, (_, best) in zip(places, rows, strict=True):
            star = "*" if best.q <= ALPHA else ""
            words = f"{format_score(best.value)}{star} ({best.layer_a}-{best.layer_b}, n={best.n})"
            axes.text(max(float(best.value), 0) + 0.01, place - 0.2, words, va="center")
        axes.set_yticks(places, [quiet_name(name) for name, _ in rows])
        axes.set(xlabel=label, xlim=(min([0.0, *values, *(n for n in nulls if np.isfinite(n))]), None))
        axes.set_xlim(right=max(values) * (1.9 if style.width == "column" else 1.4))
        axes.invert_yaxis()
        figure.legend(loc="outside lower center", ncols=2)
        return figure
