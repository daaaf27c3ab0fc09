"""Which pictures a run gives. Drawn by matplotlib into files and by the template into the report."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from congruence.report.scales import Scale, count_scale, p_scale, score_scale
from congruence.run.results import Run
from congruence.view.numbers import ALPHA, format_count, format_p
from congruence.view.verdict import ceiling_words, interval_words, star_words, tally, value_range
from congruence.view.views import Grid, MeasureView, cell_grid, measure_views, other_controls
from congruence.view.words import measure_words, null_words
from congruence.wording import format_score

_CONTROLS = {
    "rerandomized": "both models with their weights redrawn at random",
    "untrained_sae": "random decoders in place of trained SAEs",
    "frozen_decoder": "SAEs trained around random decoders",
    "neurons": "hidden units in place of SAE features",
}


class _Tested(NamedTuple):
    """What a page says of a layer pair under another null."""

    layer_a: int
    layer_b: int
    p: float
    q: float


class _Noted(NamedTuple):
    """What a page says of a layer pair: columns of its row of results."""

    layer_a: int
    layer_b: int
    p: float
    q: float
    value: float
    low: float
    high: float
    interval: str
    null_mean: float
    null_q95: float
    calibrated: float
    ceiling: float
    n: int
    warnings: list[str]


@dataclass(frozen=True)
class Panel:
    """One heat map.

    Attributes:
        title: stands above it.
        grid: the numbers.
        scale: colours and texts; panels that compare share one.
        stars: (rows, columns) bool, cells marked as significant.
        best: (row, column) of the cell that gets a frame, or None.
        decimals: of the texts in its cells, where they aren't the scale's.
        notes: (rows, columns) str, what the page says of a cell under the pointer; None for nothing.
    """

    title: str
    grid: Grid
    scale: Scale
    stars: np.ndarray
    best: tuple[int, int] | None = None
    decimals: int | None = None
    notes: np.ndarray | None = None

    def text(self, value: float) -> str:
        """What stands in a cell."""
        return self.scale.text(value) if self.decimals is None else format_score(value, self.decimals)


@dataclass(frozen=True)
class Picture:
    """One figure: rows of heat maps.

    Attributes:
        name: stem of its files.
        group: the measure it belongs to, "pairs", "controls" or "concepts".
        title: what is shown.
        subtitle: what to compare it with.
        rows: its heat maps; a row that is too wide for a figure is broken.
        marks: (value, words) named on the bar of the first panel's scale.
        legend: what stars mean, or why there are none.
    """

    name: str
    group: str
    title: str
    subtitle: str
    rows: tuple[tuple[Panel, ...], ...]
    marks: tuple[tuple[float, str], ...] = ()
    legend: str = ""

    @property
    def panels(self) -> list[Panel]:
        """All heat maps, row by row."""
        return [panel for row in self.rows for panel in row]

    @property
    def scales(self) -> list[Scale]:
        """The colour scales, each once."""
        return list({id(panel.scale): panel.scale for panel in self.panels}.values())


def pictures(run: Run, lead: MeasureView | None) -> list[Picture]:
    """Every picture of the whole space, in the order of the report."""
    found = [measure_picture(run, view) for view in measure_views(run)]
    controls = control_picture(run, lead) if lead else None
    return [*found, pair_picture(run), *([controls] if controls else [])]


def measure_picture(run: Run, view: MeasureView) -> Picture:
    """Score, null mean, calibrated score and q of one measure; the scores share their colours."""
    words = null_words(view.null)
    panels = [_framed(view, score_panel(view, "score", score_colours(view)))]
    scores = panels[0].scale
    if _any(view, "null_mean"):
        panels.append(_null_panel(view, f"null: {words.title}", scores))
    if _any(view, "calibrated"):
        panels.append(panel_of(view, "calibrated", "calibrated: 0 at the null's 95%", scores))
    elif _any(view, "z"):
        colours = score_scale(view.grid("z").values, label="z")
        panels.append(panel_of(view, "z", "z: null standard deviations", colours))
    if len(view.tested):
        panels.append(panel_of(view, "q", "q: p corrected for the grid", p_scale(view.draws, label="q")))
    drawn = f"null {view.null!r} ({words.title}), {view.draws:,} draws a layer pair"
    tested = f"{drawn}; q: Benjamini-Hochberg over {len(view.tested)} layer pairs"
    title = measure_words(view.measure).title
    title = title if view.first_null else f"{title}, null {view.null}"
    return Picture(
        file_name(f"measure_{view.slug}"), view.slug, title,
        "\n".join([ceiling_words(run, view.ceilings), *([tested] if len(view.tested) else [])]),
        (tuple(panels),), _marks(view), star_words(view),
    )  # fmt: skip


def panel_of(view: MeasureView, column: str, title: str, scale: Scale) -> Panel:
    """One column of a view as a heat map."""
    return Panel(title, view.grid(column), scale, view.grid("q").values <= ALPHA)


def score_panel(view: MeasureView, title: str, scale: Scale, *others: MeasureView) -> Panel:
    """The scores, with all that is known of each under the pointer, other nulls included."""
    return replace(panel_of(view, "value", title, scale), notes=notes_of(view, *others))


def _framed(view: MeasureView, panel: Panel) -> Panel:
    return replace(panel, best=None if view.best is None else view.place(view.best))


def _null_panel(view: MeasureView, title: str, scale: Scale) -> Panel:
    grid = view.grid("null_mean")
    small = bool(np.all(np.abs(grid.values[np.isfinite(grid.values)]) < 0.0995))
    return Panel(title, grid, scale, _no_stars(grid), decimals=3 if small else None)


def notes_of(view: MeasureView, *others: MeasureView) -> np.ndarray:
    """What each layer pair's numbers are, in words, with its p and q under other nulls."""
    notes = np.full((len(view.layers_a), len(view.layers_b)), "", dtype=object)
    for row in map(_Noted._make, view.data.tuples(*_Noted._fields)):
        notes[view.place(row)] = _note(row)
    for other in others:
        for row in map(_Tested._make, other.tested.tuples(*_Tested._fields)):
            notes[view.place(row)] += f"; {other.null}: p {format_p(row.p)}, q {format_p(row.q)}"
    return notes


def _note(row: "_Noted") -> str:
    numbers = (
        ("score", format_score(row.value)),
        ("", interval_words(row)),
        ("null mean", format_score(row.null_mean)),
        ("95% of draws below", format_score(row.null_q95)),
        ("calibrated", format_score(row.calibrated)),
        ("ceiling", format_score(row.ceiling)),
        ("p", format_p(row.p)),
        ("q", format_p(row.q)),
        ("pairs", format_count(row.n)),
    )
    said = [f"{name} {text}".strip() for name, text in numbers if text not in ("", "–")]
    return "; ".join([*said, *row.warnings])


def score_colours(*views: MeasureView) -> Scale:
    """One scale for scores, null means and calibrated scores of some views."""
    columns = ("value", "null_mean", "calibrated")
    values = [view.grid(column).values.ravel() for view in views for column in columns]
    return score_scale(np.concatenate(values), label="score")


def pair_picture(run: Run) -> Picture:
    """Mean correlation and number of pairs, before and after filtering."""
    kinds = (("mean_r", "mean r", score_scale), ("pairs", "number of pairs", count_scale))
    panels = []
    for kind, label, scale_of in kinds:
        grids = [cell_grid(run, f"{kind}_{stage}") for stage in ("before", "after")]
        scale = scale_of(np.concatenate([grid.values for grid in grids]), label=label)
        for stage, grid in zip(("before filtering", "after filtering"), grids, strict=True):
            panels.append(Panel(f"{label} {stage}", grid, scale, _no_stars(grid)))
    subtitle = "their mean correlation and number, before filtering and after: these are scored"
    return Picture("pairs", "pairs", "Matched pairs of features", subtitle, (tuple(panels),))


def control_picture(run: Run, lead: MeasureView) -> Picture | None:
    """The headline measure of every control that has a grid of its own, in the colours of the real one."""
    views = {
        control: view
        for control in other_controls(run)
        for view in measure_views(run, control=control)
        if view.measure == lead.measure and view.first_null
    }
    if not views:
        return None
    scale = score_colours(lead, *views.values())
    said = [
        f"{name}: {_CONTROLS.get(name, 'the grid with this control')}; {tally(v)}"
        for name, v in views.items()
    ]
    return Picture(
        "controls", "controls", f"{measure_words(lead.measure).title} in the controls", "\n".join(said),
        (tuple(score_panel(view, f"control {name!r}", scale) for name, view in views.items()),),
        _marks(lead), stars_of(views.values()),
    )  # fmt: skip


def headline_picture(run: Run, view: MeasureView) -> Picture:
    """Score and null side by side in one scale, with the ceiling: the picture of a README."""
    words, scale = measure_words(view.measure), score_colours(view)
    panels = (
        _framed(view, panel_of(view, "value", "matched features", scale)),
        _null_panel(view, f"null: {null_words(view.null).title}", scale),
    )
    sides = f"{words.title}, {run.side_name('a')} × {run.side_name('b')}"
    subtitle = f"{sides}\n{ceiling_words(run, view.ceilings)}"
    return Picture("headline", "headline", _claim(view), subtitle, (panels,), _marks(view), star_words(view))


def _claim(view: MeasureView) -> str:
    if view.best is None:
        return "No layer pair could be scored"
    if not view.significant.empty:
        return f"At the best layer pair, {measure_words(view.measure).sentence(view.best.value)}"
    if star_words(view).startswith("no layer pair"):
        return "No layer pair differs from chance after correction"
    return f"Whether a layer pair differs from chance: {star_words(view)}"


def stars_of(views: Iterable[MeasureView]) -> str:
    """What the stars of several views mean, each thing once; "no layer pair" only where none has a star."""
    said = dict.fromkeys(filter(None, (star_words(view) for view in views)))
    starred = any(text.startswith("★") for text in said)
    return "     ".join(text for text in said if not (starred and text.startswith("no layer pair")))


def _marks(view: MeasureView) -> tuple[tuple[float, str], ...]:
    null_mean = view.rows.null_mean.mean()
    marks = [] if not np.isfinite(null_mean) else [(float(null_mean), f"{format_score(null_mean)} null")]
    if view.ceilings:
        values = [ceiling.value for ceiling in view.ceilings]
        marks.append((float(np.mean(values)), f"{value_range(values)} ceiling"))
    return tuple(marks)


def _any(view: MeasureView, column: str) -> bool:
    return not np.isnan(view.data[column]).all()


def _no_stars(grid: Grid) -> np.ndarray:
    return np.zeros(grid.values.shape, dtype=bool)


def file_name(text: str) -> str:
    """A measure's label as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_.")
