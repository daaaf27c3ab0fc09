"""Heat maps of concept subspaces: a picture a measure, a panel a concept, union or set of phrases."""

from collections.abc import Sequence

import numpy as np

from congruence.report.concepts import INTERACTION, Subspace, measures_of, reason_without_score, subspaces
from congruence.report.measures import note_for
from congruence.report.numbers import ALPHA
from congruence.report.pictures import Panel, Picture, file_name, score_colours
from congruence.report.read import FinishedRun
from congruence.report.scales import count_scale, difference_scale, p_scale
from congruence.report.views import MeasureView

_CHOSEN = "features of one concept on each side, paired within it"
_NULL_WORDS = {
    "pairing": "the same features, paired at random",
    "subset": "random features, as many on each side, paired inside",
    "size_matched": "as many pairs of the whole space",
    "unrelated_keywords": "features of random words as frequent",
}


def concept_pictures(run: FinishedRun) -> list[Picture]:
    """Scores of every measure, unions against their parts, and numbers of pairs."""
    found = subspaces(run)
    plain = [subspace for subspace in found if subspace.kind != INTERACTION]
    unions = [subspace for subspace in found if subspace.kind == INTERACTION]
    pictures = [_scores(plain, measure) for measure in measures_of(plain)]
    pictures += [_interactions(unions, measure) for measure in measures_of(unions)]
    return [picture for picture in [*pictures, _counts(plain)] if picture]


def concept_evidence(run: FinishedRun) -> list[Picture]:
    """p and q of every measure under every null: files only, the report counts them in a table."""
    found = [subspace for subspace in subspaces(run) if subspace.kind != INTERACTION]
    pictures = []
    for measure in measures_of(found):
        for null in dict.fromkeys(n for s in found for n in s.views.get(measure, ())):
            views = {s.name: s.views[measure][null] for s in found if null in s.views.get(measure, ())}
            pictures += _evidence({name: view for name, view in views.items() if len(view.tested)}, null)
    return pictures


def _scores(found: Sequence[Subspace], measure: str) -> Picture | None:
    views = {s.name: s.usual(measure) for s in found if s.scored(measure)}
    if not views:
        return None
    null = next(iter(views.values())).null
    subtitle = f"{_CHOSEN}; stars by the null {null!r} ({_NULL_WORDS.get(null, null)})"
    return Picture(
        file_name(f"concepts_score_{measure}"), "concepts",
        f"{note_for(measure).title} inside concept subspaces: score",
        "\n".join([subtitle, *_without(found, measure)]),
        tuple(_panel(view, "value", name) for name, view in views.items()),
        score_colours(*views.values()), (), _tested(views.values()),
    )  # fmt: skip


def _without(found: Sequence[Subspace], measure: str) -> list[str]:
    """Subspaces without any score, with the reason, in a line."""
    missing = [s for s in found if measure in s.views and not s.scored(measure)]
    reasons: dict[str, list[str]] = {}
    for subspace in missing:
        reasons.setdefault(reason_without_score(subspace, measure), []).append(subspace.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]


def _interactions(found: Sequence[Subspace], measure: str) -> Picture | None:
    views = {s.name: s.usual(measure) for s in found if s.scored(measure)}
    if not views:
        return None
    values = np.concatenate([view.grid("value").values.ravel() for view in views.values()])
    return Picture(
        file_name(f"concepts_interaction_{measure}"), "concepts",
        f"{note_for(measure).title}: unions of concepts less their parts",
        "score of the union minus the mean score of its parts; stars against unions of random word groups",
        tuple(_panel(view, "value", name) for name, view in views.items()),
        difference_scale(values, label="difference"), (), _tested(views.values()),
    )  # fmt: skip


def _evidence(views: dict[str, MeasureView], null: str) -> list[Picture]:
    if not views:
        return []
    measure = next(iter(views.values())).measure
    draws = min(view.draws for view in views.values())
    subtitle = f"null {null!r}: {_NULL_WORDS.get(null, null)}; {draws:,} draws or more"
    over = f"Benjamini-Hochberg over the layer pairs of one concept; {subtitle}"
    kinds = (("p", "p of each layer pair", subtitle), ("q", "q, p corrected for the grid", over))
    return [
        Picture(
            file_name(f"concepts_{kind}_{measure}_{null}"), "concepts",
            f"{note_for(measure).title} inside concept subspaces: {title}", words,
            tuple(_panel(view, kind, name) for name, view in views.items()),
            p_scale(draws, label=kind), (), _tested(views.values()),
        )
        for kind, title, words in kinds
    ]  # fmt: skip


def _counts(found: Sequence[Subspace]) -> Picture | None:
    grids = {s.name: s.usual(next(iter(s.views))).grid("n") for s in found}
    if not grids:
        return None
    panels = [Panel(name, grid, np.zeros(grid.values.shape, dtype=bool)) for name, grid in grids.items()]
    scale = count_scale(np.concatenate([grid.values.ravel() for grid in grids.values()]), label="pairs")
    title = "Pairs inside concept subspaces"
    return Picture("concepts_pairs", "concepts", title, _CHOSEN, tuple(panels), scale)


def _panel(view: MeasureView, column: str, title: str) -> Panel:
    return Panel(title, view.grid(column), view.grid("q").values <= ALPHA)


def _tested(views: object) -> int:
    return max(len(view.tested) for view in views)  # type: ignore[attr-defined]
