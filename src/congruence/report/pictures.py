"""Which pictures a run gives. Drawn by matplotlib into files and by the template into the report."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from congruence.report.measures import note_for
from congruence.report.numbers import ALPHA, format_score
from congruence.report.read import FinishedRun
from congruence.report.scales import Scale, count_scale, p_scale, score_scale
from congruence.report.views import (
    Ceiling,
    Grid,
    MeasureView,
    cell_grid,
    headline,
    measure_views,
    other_controls,
)

_CONTROLS = {
    "rerandomized": "both models with their weights redrawn at random",
    "untrained_sae": "random decoders in place of trained SAEs",
    "neurons": "hidden units in place of SAE features",
}


@dataclass(frozen=True)
class Panel:
    """One heat map.

    Attributes:
        title: stands above it where a picture has several.
        grid: the numbers.
        stars: (rows, columns) bool, cells marked as significant.
        best: (row, column) of the cell that gets a frame, or None.
        decimals: of the texts in its cells, where they aren't the scale's.
    """

    title: str
    grid: Grid
    stars: np.ndarray
    best: tuple[int, int] | None = None
    decimals: int | None = None

    def text(self, scale: Scale, value: float) -> str:
        """What stands in a cell."""
        return scale.text(value) if self.decimals is None else format_score(value, self.decimals)


@dataclass(frozen=True)
class Picture:
    """One figure: heat maps that share a colour scale.

    Attributes:
        name: stem of its files.
        group: the measure it belongs to, "pairs", "controls" or "concepts".
        title: what is shown.
        subtitle: what to compare it with.
        panels: one heat map or several.
        scale: colours and texts.
        marks: (value, words) named on the colour bar.
        tested: number of layer pairs that the correction was over; 0 where nothing is marked.
    """

    name: str
    group: str
    title: str
    subtitle: str
    panels: tuple[Panel, ...]
    scale: Scale
    marks: tuple[tuple[float, str], ...] = ()
    tested: int = 0


def pictures(run: FinishedRun) -> list[Picture]:
    """Every heat map of the whole space, in the order of the report."""
    views = measure_views(run)
    found = [picture for view in views for picture in measure_pictures(run, view)]
    found += pair_pictures(run)
    found += control_pictures(run, headline(views)) if views else []
    return found


def measure_pictures(run: FinishedRun, view: MeasureView) -> list[Picture]:
    """Score, null mean, p and q of one measure; score and null share their colours."""
    title = note_for(view.measure).title
    scores = score_colours(view)
    shuffled = f"null {view.null!r}, {view.draws:,} draws a layer pair"
    over = f"Benjamini-Hochberg over {len(view.tested)} layer pairs"
    kinds = (
        ("score", _score_panel(view), scores, f"{title}: score", ceiling_words(run, view.ceilings)),
        ("null_mean", _null_panel(view), scores, f"{title}: mean of the null", shuffled),
        ("p", _panel(view, "p"), p_scale(view.draws, label="p"), f"{title}: p of each layer pair", shuffled),
        (
            "q",
            _panel(view, "q"),
            p_scale(view.draws, label="q"),
            f"{title}: q, p corrected for the grid",
            over,
        ),
    )
    return [
        Picture(
            file_name(f"{kind}_{view.slug}"), view.slug, heading, subtitle, (panel,), colours,
            _marks(view) if kind == "score" else (), 0 if kind == "null_mean" else len(view.tested),
        )
        for kind, panel, colours, heading, subtitle in kinds
    ]  # fmt: skip


def _panel(view: MeasureView, column: str, title: str = "") -> Panel:
    return Panel(title, view.grid(column), view.grid("q").values <= ALPHA)


def _score_panel(view: MeasureView, title: str = "") -> Panel:
    return replace(_panel(view, "value", title), best=_best(view))


def _null_panel(view: MeasureView, title: str = "") -> Panel:
    grid = view.grid("null_mean")
    small = bool(np.all(np.abs(grid.values[np.isfinite(grid.values)]) < 0.0995))
    return Panel(title, grid, np.zeros(grid.values.shape, dtype=bool), decimals=3 if small else None)


def score_colours(*views: MeasureView) -> Scale:
    """One scale for scores and null means of some views."""
    values = [view.grid(column).values.ravel() for view in views for column in ("value", "null_mean")]
    return score_scale(np.concatenate(values), label="score")


def pair_pictures(run: FinishedRun) -> list[Picture]:
    """Mean correlation and number of pairs, before and after filtering."""
    kinds = (
        ("mean_r", "Mean correlation of the matched pairs", "mean r"),
        ("pairs", "Number of matched pairs", "pairs"),
    )
    return [picture for kind, title, label in kinds for picture in _before_and_after(run, kind, title, label)]


def _before_and_after(run: FinishedRun, kind: str, title: str, label: str) -> Iterator[Picture]:
    grids = {stage: cell_grid(run, f"{kind}_{stage}") for stage in ("before", "after")}
    values = np.concatenate([grid.values for grid in grids.values()])
    scale = (score_scale if kind == "mean_r" else count_scale)(values, label=label)
    for stage, grid in grids.items():
        words = "before filtering" if stage == "before" else "after filtering: these are scored"
        panel = Panel("", grid, np.zeros(grid.values.shape, dtype=bool))
        yield Picture(f"{kind}_{stage}", "pairs", title, words, (panel,), scale)


def control_pictures(run: FinishedRun, lead: MeasureView) -> list[Picture]:
    """The headline measure of every control that has a grid of its own, in the colours of the real one."""
    title = note_for(lead.measure).title
    return [
        Picture(
            file_name(f"score_{view.slug}_{control}"), "controls", f"{title}: control {control!r}",
            _CONTROLS.get(control, "the same grid with this control"), (_panel(view, "value"),),
            score_colours(view, lead), _marks(lead), len(view.tested),
        )
        for control in other_controls(run)
        for view in measure_views(run, control=control)
        if view.measure == lead.measure and view.first_null
    ]  # fmt: skip


def headline_picture(run: FinishedRun, view: MeasureView) -> Picture:
    """Score and null side by side in one scale, with the ceiling: the picture of a README."""
    note = note_for(view.measure)
    panels = (_score_panel(view, "matched features"), _null_panel(view, "same features, pairs shuffled"))
    sides = f"{note.title}, {run.side_name('a')} × {run.side_name('b')}"
    subtitle = f"{sides}\n{ceiling_words(run, view.ceilings)}"
    return Picture(
        "headline", "headline", _claim(view), subtitle, panels, score_colours(view), _marks(view),
        len(view.tested),
    )  # fmt: skip


def _claim(view: MeasureView) -> str:
    if view.best is None:
        return "No layer pair could be scored"
    if view.significant.empty:
        return "No layer pair differs from chance after correction"
    return f"At the best layer pair, {note_for(view.measure).sentence(view.best.value)}"


def ceiling_words(run: FinishedRun, ceilings: Sequence[Ceiling]) -> str:
    """The ceiling in a line, or that there is none."""
    if not ceilings:
        return "no same-model ceiling was run"
    values = _range([ceiling.value for ceiling in ceilings])
    return f"ceiling {values}: same model, other SAE seed ({ceiling_places(run, ceilings)})"


def ceiling_places(run: FinishedRun, ceilings: Sequence[Ceiling]) -> str:
    """Which models and layers the ceilings are of."""
    layers: dict[str, list[int]] = {}
    for ceiling in ceilings:
        layers.setdefault(ceiling.side, []).append(ceiling.layer)
    named = [
        f"{run.side_name(side) if side in ('a', 'b') else 'the same model'} "
        f"{'layer' if len(numbers) == 1 else 'layers'} {', '.join(map(str, sorted(numbers)))}"
        for side, numbers in layers.items()
    ]
    return "; ".join(named)


def _range(values: Sequence[float]) -> str:
    low, high = format_score(min(values)), format_score(max(values))
    return low if low == high else f"{low}–{high}"


def _marks(view: MeasureView) -> tuple[tuple[float, str], ...]:
    null_mean = view.rows.null_mean.mean()
    marks = [] if not np.isfinite(null_mean) else [(float(null_mean), f"{format_score(null_mean)} null")]
    if view.ceilings:
        values = [ceiling.value for ceiling in view.ceilings]
        marks.append((float(np.mean(values)), f"{_range(values)} ceiling"))
    return tuple(marks)


def _best(view: MeasureView) -> tuple[int, int] | None:
    best = view.best
    if best is None:
        return None
    return view.layers_a.index(int(best.layer_a)), view.layers_b.index(int(best.layer_b))


def file_name(text: str) -> str:
    """A measure's label as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_.")
