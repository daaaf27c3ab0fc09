"""Which figures a run gives for a paper, each under a name, with the sentence that belongs below it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from congruence.report.concepts import INTERACTION, measures_of, subspaces
from congruence.report.paper import curves
from congruence.report.paper.grids import heat_maps
from congruence.report.paper.style import PaperFigure, Style, quiet_name
from congruence.report.pictures import (
    Panel,
    control_picture,
    file_name,
    panel_of,
    score_colours,
    score_panel,
    stars_of,
)
from congruence.report.scales import count_scale, p_scale, score_scale
from congruence.run.results import Run
from congruence.view.numbers import ALPHA
from congruence.view.verdict import star_words
from congruence.view.views import Grid, MeasureView, cell_grid, headline, measure_views, where
from congruence.view.words import measure_words, null_words


@dataclass(frozen=True)
class Kind:
    """One figure that a run can give.

    Attributes:
        name: stem of its file.
        caption: what it shows, for the text below it.
        draw: makes it in a style.
    """

    name: str
    caption: str
    draw: Callable[[Style], PaperFigure]


def kinds(run: Run, beside: Run | None = None) -> list[Kind]:
    """Every figure of a run; with another run beside it, both runs' scores in one scale as well."""
    views = measure_views(run)
    found = [kind for view in views for kind in _of_measure(run, view)]
    found += _of_pairs(run, views)
    found += _of_controls(run, views)
    found += _of_concepts(run)
    return found + (_of_two(run, beside) if beside else [])


def _of_measure(run: Run, view: MeasureView) -> list[Kind]:
    label, slug, axes = measure_words(view.measure).title, file_name(view.slug), _axes(run)
    scores = score_colours(view)
    stars = star_words(view).replace("★", "*:")
    best = None if view.best is None else view.place(view.best)
    grid = Panel(label, view.grid("value"), scores, view.grid("q").values <= ALPHA, best)
    drawn = f"{view.draws:,} draws of the null {view.null!r} ({null_words(view.null).title})"
    found = [
        Kind(
            f"scores_{slug}", f"{label} of every layer pair; {stars}; frame: best layer pair. {drawn}.",
            lambda style: heat_maps([grid], axes, style, label),
        ),
        Kind(
            f"depth_{slug}", f"Best {label} of each layer, and the layer that gives it, over relative depth.",
            lambda style: curves.depth(run, view, label, style),
        ),
    ]  # fmt: skip
    if len(view.tested):
        tests = p_scale(view.draws, label="p")
        p = Panel("p", view.grid("p"), tests, view.grid("q").values <= ALPHA)
        null = Panel("null mean", view.grid("null_mean"), scores, np.zeros(p.stars.shape, bool), None, 3)
        found += [
            Kind(
                f"p_{slug}", f"p of {label} for every layer pair, from {drawn}; {stars}.",
                lambda style: heat_maps([p], axes, style, f"{label}: p"),
            ),
            Kind(
                f"null_{slug}", f"{label}: score and null mean, in the same colours; {drawn}; {stars}.",
                lambda style: heat_maps(
                    [Panel("score", grid.grid, scores, grid.stars, best), null], axes, style, label
                ),
            ),
        ]  # fmt: skip
        found.append(_of_draws(run, view, label, slug))
    return found


def _of_draws(run: Run, view: MeasureView, label: str, slug: str) -> Kind:
    row = view.best
    assert row is not None
    place = f"layers {row.layer_a} and {row.layer_b}"

    def draw(style: Style) -> PaperFigure:
        scores = run.null_scores(view.measure, int(row.layer_a), int(row.layer_b), null=view.null)
        return curves.draws(scores, row, label, style)

    return Kind(f"draws_{slug}", f"{label} at {place} against {view.draws:,} draws of {view.null!r}.", draw)


def _of_pairs(run: Run, views: list[MeasureView]) -> list[Kind]:
    panels = []
    for column, label, scale_of in (("mean_r", "mean r", score_scale), ("pairs", "pairs", count_scale)):
        grids = [cell_grid(run, f"{column}_{stage}") for stage in ("before", "after")]
        scale = scale_of(np.concatenate([grid.values for grid in grids]), label=label)
        none = np.zeros(grids[0].values.shape, bool)
        panels.append([Panel(f"{label} {s}", g, scale, none) for s, g in zip(_STAGES, grids, strict=True)])
    found = [
        Kind(
            name, f"{words} of every layer pair, before and after filtering.", partial(_maps, run, of, words)
        )
        for name, words, of in zip(("mean_r", "pairs"), ("Mean r", "Number of pairs"), panels, strict=True)
    ]
    found.append(
        Kind("filters", "Pairs left after each filter.", partial(curves.left_by_filters, run.real_cells))
    )
    best = headline(views).best if views else None
    if best is None or not run.holds("matches"):
        return found
    layers = int(best.layer_a), int(best.layer_b)
    place = f"layers {layers[0]} and {layers[1]}"
    names = run.side_name("a"), run.side_name("b")
    found += [
        Kind("r", f"r of the pairs of {place}.", partial(_similarities, run, layers)),
        Kind(
            "firing", f"Tokens on which the features of each kept pair of {place} fire.",
            lambda s: curves.firing(run.matches_of(*layers), names, s, "Firings of paired features"),
        ),
    ]  # fmt: skip
    if any(step["step"] == "one_to_one" for steps in run.real_cells.removed for step in steps):
        words = "kept one-to-one, and together with those that only the one-to-one rule took (many-to-one)"
        found.append(Kind("one_to_one", f"Mean r and number of pairs {words}.", partial(_one_to_one, run)))
    return found


_STAGES = ("before filtering", "after filtering")


def _maps(run: Run, panels: list[Panel], title: str, style: Style) -> PaperFigure:
    return heat_maps(panels, _axes(run), style, title)


def _one_to_one(run: Run, style: Style) -> PaperFigure:
    pairs = run.matches
    pairs = where(pairs, pairs.control == "none")
    many = where(pairs, pairs.kept | (pairs.removed_by == "one_to_one"))
    ways = [("many-to-one", many), ("one-to-one", where(pairs, pairs.kept))]
    return curves.ways_of_pairing(ways, style)


def _similarities(run: Run, layers: tuple[int, int], style: Style) -> PaperFigure:
    return curves.similarities(run.matches_of(*layers), style, "r of the pairs")


def _of_controls(run: Run, views: list[MeasureView]) -> list[Kind]:
    lead = headline(views) if views else None
    picture = control_picture(run, lead) if lead else None
    if picture is None or lead is None:
        return []
    scale = picture.panels[0].scale
    panels = [score_panel(lead, "the comparison", scale), *picture.panels]
    caption = f"{picture.title}, in the colours of the comparison; {picture.legend.replace('★', '*:')}."
    return [Kind("controls", caption, partial(_maps, run, panels, picture.title))]


def _of_concepts(run: Run) -> list[Kind]:
    found = [subspace for subspace in subspaces(run) if subspace.kind != INTERACTION]
    made = []
    for measure in measures_of(found):
        scored = [subspace for subspace in found if subspace.scored(measure)]
        if not scored:
            continue
        label, slug = measure_words(measure).title, file_name(measure)
        usual = [subspace.usual(measure) for subspace in scored]
        scale = score_colours(*usual)
        panels = [
            panel_of(view, "value", quiet_name(s.name), scale) for s, view in zip(scored, usual, strict=True)
        ]
        stars = stars_of(usual).replace("★", "*:")
        made += [
            Kind(
                f"concepts_{slug}", f"{label} inside each concept, over layer pairs; {stars}.",
                partial(_maps, run, panels, f"{label} inside concepts"),
            ),
            Kind(
                f"concept_layers_{slug}",
                f"{label} inside each concept at each layer: best over the other's layers; {stars}.",
                partial(_concept_layers, run, usual, [s.name for s in scored], label),
            ),
            Kind(
                f"concept_bars_{slug}",
                f"{label} of each concept at its best layer pair (a-b, n pairs) beside the mean of its null; "
                "*: q ≤ 0.05 over that concept's layer pairs.",
                partial(curves.concept_bars, scored, measure, label),
            ),
        ]  # fmt: skip
    return made


def _concept_layers(
    run: Run, views: list[MeasureView], names: list[str], label: str, style: Style
) -> PaperFigure:
    """Concepts down and layers of a across, the best over the layers of b."""
    scale = score_colours(*views)
    values, stars = [], []
    for view in views:
        grid = view.grid("value").values
        at = np.where(np.isfinite(grid), grid, -np.inf).argmax(axis=1)
        rows = np.arange(len(grid))
        values.append(grid[rows, at])
        stars.append(view.grid("q").values[rows, at] <= ALPHA)
    named = tuple(quiet_name(name, 18) for name in names)
    panel = Panel(label, Grid(named, views[0].layers_a, np.array(values)), scale, np.array(stars))  # pyright: ignore[reportArgumentType]
    return heat_maps([panel], ("", f"{quiet_name(run.side_name('a'))}: layer"), style, label)


def _of_two(run: Run, other: Run) -> list[Kind]:
    theirs = {(view.measure, view.null): view for view in measure_views(other)}
    made = []
    for view in measure_views(run):
        beside = theirs.get((view.measure, view.null))
        if beside is None or (beside.layers_a, beside.layers_b) != (view.layers_a, view.layers_b):
            continue
        scale, label = score_colours(view, beside), measure_words(view.measure).title
        told = [quiet_name(one.path.name) for one in (run, other)]
        panels = [score_panel(v, name, scale) for v, name in zip((view, beside), told, strict=True)]
        caption = (
            f"{label} of the runs {told[0]} and {told[1]} in the same colours; {stars_of([view, beside])}."
        )
        made.append(
            Kind(
                f"beside_{file_name(view.slug)}",
                caption.replace("★", "*:"),
                partial(_maps, run, panels, label),
            )
        )
    return made


def _axes(run: Run) -> tuple[str, str]:
    return f"{quiet_name(run.side_name('a'))}: layer", f"{quiet_name(run.side_name('b'))}: layer"
