"""Pictures of concept subspaces: a row of heat maps for each concept, union or set of phrases."""

from collections.abc import Sequence

import numpy as np

from congruence.report.concepts import INTERACTION, Subspace, measures_of, reason_without_score, subspaces
from congruence.report.pictures import (
    Panel,
    Picture,
    file_name,
    panel_of,
    score_colours,
    score_panel,
    stars_of,
)
from congruence.report.scales import count_scale, difference_scale, p_scale
from congruence.run.results import Run
from congruence.view.words import measure_words, null_words

_CHOSEN = "features of one concept on each side, paired within it"


def concept_pictures(run: Run) -> list[Picture]:
    """Scores of every measure with their q, unions against their parts, and numbers of pairs."""
    found = subspaces(run)
    plain = [subspace for subspace in found if subspace.kind != INTERACTION]
    unions = [subspace for subspace in found if subspace.kind == INTERACTION]
    pictures = [_scores(plain, measure) for measure in measures_of(plain)]
    pictures += [_interactions(unions, measure) for measure in measures_of(unions)]
    return [picture for picture in [*pictures, _counts(plain)] if picture]


def _scores(found: Sequence[Subspace], measure: str) -> Picture | None:
    scored = {s.name: s for s in found if s.scored(measure)}
    if not scored:
        return None
    usual = {name: subspace.usual(measure) for name, subspace in scored.items()}
    null = next(iter(usual.values())).null
    starred = f"stars on scores by the null {null!r} ({null_words(null).title})"
    subtitle = f"{_CHOSEN}\n{starred}; q: Benjamini-Hochberg over each concept's grid"
    scores = score_colours(*usual.values())
    views = [view for subspace in scored.values() for view in subspace.views[measure].values()]
    evidence = p_scale(min((view.draws for view in views if view.draws), default=0), label="q")
    rows = []
    for name, subspace in scored.items():
        tested = [view for view in subspace.views[measure].values() if len(view.tested)]
        others = [view for view in tested if view is not usual[name]]
        score = score_panel(usual[name], name, scores, *others)
        rows.append((score, *(panel_of(v, "q", f"q: {null_words(v.null).title}", evidence) for v in tested)))
    title = f"{measure_words(measure).title} inside concept subspaces"
    return Picture(
        file_name(f"concepts_{measure}"), "concepts", title,
        "\n".join([subtitle, *_without(found, measure)]), tuple(rows), (), stars_of(views),
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
    scale = difference_scale(values, label="difference")
    return Picture(
        file_name(f"concepts_interaction_{measure}"), "concepts",
        f"{measure_words(measure).title}: unions of concepts less their parts",
        "score of the union minus the mean score of its parts; stars against unions of random word groups",
        (tuple(score_panel(view, name, scale) for name, view in views.items()),), (),
        stars_of(views.values()),
    )  # fmt: skip


def _counts(found: Sequence[Subspace]) -> Picture | None:
    grids = {s.name: s.usual(next(iter(s.views))).grid("n") for s in found}
    if not grids:
        return None
    scale = count_scale(np.concatenate([grid.values.ravel() for grid in grids.values()]), label="pairs")
    stars = np.zeros(next(iter(grids.values())).values.shape, dtype=bool)
    panels = tuple(Panel(name, grid, scale, stars) for name, grid in grids.items())
    return Picture("concepts_pairs", "concepts", "Pairs inside concept subspaces", _CHOSEN, (panels,))
