"""The answer in plain words: what was found, against which chance and which ceiling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from congruence.run.results import Run
from congruence.view.numbers import ALPHA, format_p
from congruence.view.rows import Rows
from congruence.view.views import Ceiling, MeasureView, measure_views, other_controls, smallest_p
from congruence.view.words import measure_words, null_words
from congruence.wording import format_score, percent

_CHANCE = {"greater": "above chance", "less": "below chance", "two-sided": "different from chance"}


@dataclass(frozen=True)
class Verdict:
    """The answer of a run.

    Attributes:
        found: some layer pair stands after correction.
        claim: one line.
        sentences: one paragraph, a thought a sentence.
    """

    found: bool
    claim: str
    sentences: tuple[str, ...]


def verdict(run: Run, view: MeasureView) -> Verdict:
    """The answer that a view gives."""
    best = view.best
    if best is None:
        said = reasons(view.data)
        because = f": {said[0]}" if said else ""
        return Verdict(False, "No layer pair could be scored", (f"No layer pair could be scored{because}.",))
    found = not view.significant.empty
    return Verdict(found, _claim(view), tuple(_sentences(run, view, best, found)))


def pair_name(run: Run, row: pd.Series) -> str:
    """A layer pair in words."""
    return f"{run.side_name('a')} layer {row.layer_a} and {run.side_name('b')} layer {row.layer_b}"


def chance_words(view: MeasureView) -> str:
    """What being significant means here: above, below or different from chance."""
    return _CHANCE.get(str(view.data["alternative"][0]), "different from chance")


def unanswered(view: MeasureView) -> str:
    """Why a view can't say whether a layer pair differs from chance; "" where it can, or has no score."""
    if view.scored.empty:
        return ""
    if view.tested.empty:
        return f"not tested: {(reasons(view.untested) or ['no draws were asked for'])[0]}"
    floor = view.smallest_p
    if floor <= ALPHA:
        return _lost_in_correction(view)
    draws, scored = int(view.tested["draws"].max()), np.fmax.reduce(view.tested["scored"])
    if np.isfinite(scored) and scored < draws and 1 / (1 + draws) <= ALPHA:
        given = f"only {int(scored):,} of {draws:,} draws gave a score, so p can't be below"
        return f"can't be told: {given} {format_p(floor)}"
    plural = "s" if draws != 1 else ""
    return (
        f"can't be told: {draws:,} draw{plural} can't give p below {format_p(floor)}; "
        f"use at least {view.draws_needed:,}"
    )


def _lost_in_correction(view: MeasureView) -> str:
    """That none stands after correction only because some have the smallest p that their draws can give."""
    lowest = int((view.tested["p"] <= view.smallest_ps * 1.0001).sum())
    if len(view.significant) or not lowest or len(view.tested) * view.smallest_p <= ALPHA:
        return ""
    draws = int(view.tested["draws"].max())
    return (
        f"can't be told: {lowest} of {len(view.tested)} layer pairs {'have' if lowest > 1 else 'has'} the "
        f"smallest p that {draws:,} draws can give ({format_p(view.smallest_p)}), too large to stand after "
        f"correction; use at least {view.draws_needed:,}"
    )


def reasons(rows: Rows) -> list[str]:
    """Every different warning of some scores."""
    return list(dict.fromkeys(text for texts in rows["warnings"] for text in texts))


def tally(view: MeasureView) -> str:
    """How many layer pairs differ from chance, or why that can't be told."""
    return (
        unanswered(view) or f"{len(view.significant)} of {len(view.tested)} layer pairs {chance_words(view)}"
    )


def star_words(view: MeasureView) -> str:
    """What the stars of a view mean, or why there are none."""
    number = len(view.tested)
    if doubt := unanswered(view):
        return doubt
    if view.significant.empty:
        return f"no layer pair has q ≤ {ALPHA:g}" if number else ""
    return f"★ q ≤ {ALPHA:g} over {number} layer pair{'s' if number > 1 else ''}"


def interval_words(row: Any) -> str:
    """The bootstrap interval of a score; "" without one."""
    if not (np.isfinite(row.low) and np.isfinite(row.high)):
        return ""
    over = f" over {row.interval}" if row.interval else ""
    return f"95% interval {format_score(row.low)} to {format_score(row.high)}{over}"


def ceiling_words(run: Run, ceilings: Sequence[Ceiling]) -> str:
    """The ceiling in a line, or that there is none."""
    if not ceilings:
        return "no same-model ceiling was run"
    values = value_range([ceiling.value for ceiling in ceilings])
    return f"ceiling {values}: same model, other SAE seed ({ceiling_places(run, ceilings)})"


def ceiling_places(run: Run, ceilings: Sequence[Ceiling]) -> str:
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


def value_range(values: Sequence[float]) -> str:
    """Smallest and largest of some scores."""
    low, high = format_score(min(values)), format_score(max(values))
    return low if low == high else f"{low}–{high}"


def _claim(view: MeasureView) -> str:
    found, tested, chance = len(view.significant), len(view.tested), chance_words(view)
    if unanswered(view):
        return (
            f"It can't be told whether any layer pair is {chance}" if tested else "Not tested against chance"
        )
    if not found:
        return f"No layer pair is {chance} after correction"
    if tested == 1:
        return f"The two layers are alike: {chance}"
    return f"{found} of {tested} layer pairs are {chance}"


def _sentences(run: Run, view: MeasureView, best: pd.Series, found: bool) -> list[str]:
    sentence, place = measure_words(view.measure).sentence(best.value), pair_name(run, best)
    if found:
        first = [f"{place} are most alike: {sentence}."]
    else:
        first = [*_nothing(view), f"The highest score is at {place}: {sentence}."]
    interval = interval_words(best)
    near, ceiling = view.ceilings_near(int(best.layer_a), int(best.layer_b)), view.ceiling_at(best)
    rest = [
        f"Its {interval.replace('interval', 'interval is')} (bootstrap)." if interval else "",
        _null_sentence(view, best),
        _p_sentence(view, best),
        _ceiling_sentence(run, best, near, ceiling),
    ]
    counts = [_count_sentence(view)] if len(view.data) > 1 and not unanswered(view) else []
    return [*first, *(text for text in rest if text), *counts, *_control_sentences(run, view)]


def _nothing(view: MeasureView) -> list[str]:
    """That nothing stands after correction, and how far that can be believed."""
    chance = chance_words(view)
    if doubt := unanswered(view):
        return [
            f"Whether any layer pair is {chance} {doubt}." if "told" in doubt else f"The scores were {doubt}."
        ]
    said = [
        f"No layer pair is {chance} after correction, so this run is no evidence that the two models share "
        "features."
    ]
    draws, number = int(view.tested["draws"].max()), len(view.tested)
    if number * view.smallest_p > ALPHA:
        said.append(
            f"{draws:,} draws are few for {number} layer pairs: one of them alone can't stand after "
            f"correction; use at least {view.draws_needed:,}."
        )
    return said


def _null_sentence(view: MeasureView, best: pd.Series) -> str:
    if not np.isfinite(best.null_mean):
        return ""
    words = null_words(view.null).in_words
    top = f" and at most {format_score(best.null_q95)} in 95% of them" if np.isfinite(best.null_q95) else ""
    draws = f"{int(best.draws):,} draw{'s' if best.draws != 1 else ''}"
    mean = f"the score is {format_score(best.null_mean)} on average over {draws}"
    calibrated = (
        f"; between that and the most it could be, it is {percent(best.calibrated)} of the way"
        if np.isfinite(best.calibrated) and np.isfinite(best.null_q95) and best.calibrated > 0
        else ""
    )
    lost = best.draws - best.scored if np.isfinite(best.scored) else 0
    without = f" {int(lost):,} draws gave no score and count against it." if lost > 0 else ""
    return f"{words[:1].upper()}{words[1:]} {mean}{top}{calibrated}.{without}"


def _p_sentence(view: MeasureView, best: pd.Series) -> str:
    if not np.isfinite(best.p):
        return ""
    sided = "two-sided" if best.alternative == "two-sided" else "one-sided"
    at_floor = best.p <= _smallest_p(best) * 1.0001
    floor = ", the smallest these draws can give" if at_floor else ""
    parts = [f"p = {format_p(best.p)} ({sided}{floor})"]
    pairs = len(view.tested)
    if pairs > 1 and np.isfinite(best.q):
        parts.append(f"q = {format_p(best.q)} after correction over {pairs} layer pairs")
    if pairs > 1 and np.isfinite(best.p_max_t):
        parts.append(f"p = {format_p(best.p_max_t)} allowing for the choice of the best of them (max-T)")
    return "; ".join(parts) + "."


def _smallest_p(row: pd.Series) -> float:
    of_row = (np.array([row[name]]) for name in ("draws", "scored", "alternative"))
    return float(smallest_p(*of_row)[0])


def _ceiling_sentence(run: Run, best: pd.Series, ceilings: Sequence[Ceiling], value: float) -> str:
    if not np.isfinite(value):
        return "No ceiling was run, so it isn't known how alike two SAEs of one model would be."
    mean = "on average " if len(ceilings) > 1 else ""
    places = f" ({ceiling_places(run, ceilings)})" if ceilings else ""
    text = f"The ceiling is {mean}{format_score(value)}: one model with SAEs of two seeds{places}"
    chance = best.null_mean if np.isfinite(best.null_mean) else 0.0
    if best.value >= value:
        return f"{text}; the score is not below it."
    share = (best.value - chance) / (value - chance) if value > chance else np.nan
    covered = f"; the score is {percent(share)} of the way there from chance" if share > 0 else ""
    return f"{text}{covered}."


def _count_sentence(view: MeasureView) -> str:
    parts = [
        f"{len(view.significant)} of {len(view.tested)} layer pairs are {chance_words(view)} (q ≤ {ALPHA:g})"
    ]
    if untested := len(view.untested):
        said = reasons(view.untested)
        parts.append(f"{untested} were not tested" + (f": {said[0]}" if said else ""))
    if unscored := len(view.data) - len(view.scored):
        parts.append(f"{unscored} could not be scored")
    return "; ".join(parts) + "."


def _control_sentences(run: Run, view: MeasureView) -> list[str]:
    found = []
    for control in other_controls(run):
        for other in measure_views(run, control=control):
            if other.measure == view.measure and other.first_null and len(other.scored):
                top = format_score(float(other.scored["value"].max()))
                found.append(f"Control {control!r}: highest score {top}, {tally(other)}.")
    return found
