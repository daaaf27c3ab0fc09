"""The answer in plain words: what was found, against which chance and which ceiling."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from congruence.report.measures import note_for
from congruence.report.numbers import ALPHA, format_p, format_score, percent
from congruence.report.pictures import ceiling_places
from congruence.report.read import FinishedRun
from congruence.report.views import Ceiling, MeasureView, measure_views, other_controls

_NULLS = {
    "pairing": "with the pairs shuffled",
    "subset": "with random subsets of the same sizes, paired anew,",
    "firing_rate": "with the pairs shuffled among features of similar firing rate",
    "document_shift": "with one side's documents shifted and the pairing run again",
}
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


def verdict(run: FinishedRun, view: MeasureView) -> Verdict:
    """The answer that a view gives."""
    best = view.best
    if best is None:
        reasons = [text for text in view.rows.warnings.unique() if text]
        because = f": {reasons[0]}" if reasons else ""
        return Verdict(False, "No layer pair could be scored", (f"No layer pair could be scored{because}.",))
    found = not view.significant.empty
    return Verdict(found, _claim(view), tuple(_sentences(run, view, best, found)))


def pair_name(run: FinishedRun, row: pd.Series) -> str:
    """A layer pair in words."""
    return f"{run.side_name('a')} layer {row.layer_a} and {run.side_name('b')} layer {row.layer_b}"


def chance_words(view: MeasureView) -> str:
    """What being significant means here: above, below or different from chance."""
    return _CHANCE.get(str(view.rows.alternative.iloc[0]), "different from chance")


def _claim(view: MeasureView) -> str:
    found, tested, chance = len(view.significant), len(view.tested), chance_words(view)
    if not found:
        return f"No layer pair is {chance} after correction"
    if tested == 1:
        return f"The two layers are alike: {chance}"
    return f"{found} of {tested} layer pairs are {chance}"


def _sentences(run: FinishedRun, view: MeasureView, best: pd.Series, found: bool) -> list[str]:
    sentence = note_for(view.measure).sentence(best.value)
    where = pair_name(run, best)
    if found:
        first = [f"{where} are most alike: {sentence}."]
    else:
        first = [
            f"No layer pair is {chance_words(view)} after correction, so this run is no evidence that the "
            f"two models share features.",
            f"The highest score is at {where}: {sentence}.",
        ]
    ceilings = view.ceilings_near(int(best.layer_a), int(best.layer_b))
    rest = [_null_sentence(view, best), _p_sentence(view, best), _ceiling_sentence(run, best, ceilings)]
    counts = [_count_sentence(view)] if len(view.rows) > 1 else []
    return [*first, *(text for text in rest if text), *counts, *_control_sentences(run, view)]


def _null_sentence(view: MeasureView, best: pd.Series) -> str:
    if not np.isfinite(best.null_mean):
        return ""
    words = _NULLS.get(view.null, f"under the null {view.null!r}")
    top = f" and at most {format_score(best.null_q95)} in 95% of them" if np.isfinite(best.null_q95) else ""
    draws = f"{int(best.draws):,} draw{'s' if best.draws != 1 else ''}"
    mean = f"the score is {format_score(best.null_mean)} on average over {draws}"
    return f"{words[:1].upper()}{words[1:]} {mean}{top}."


def _p_sentence(view: MeasureView, best: pd.Series) -> str:
    if not np.isfinite(best.p):
        return "It was not tested against chance."
    sided = "two-sided" if best.alternative == "two-sided" else "one-sided"
    at_floor = best.p <= 1 / (1 + best.draws) * 1.0001
    floor = ", the smallest these draws can give" if at_floor else ""
    parts = [f"p = {format_p(best.p)} ({sided}{floor})"]
    pairs = len(view.tested)
    if pairs > 1 and np.isfinite(best.q):
        parts.append(f"q = {format_p(best.q)} after correction over {pairs} layer pairs")
    if pairs > 1 and np.isfinite(best.p_max_t):
        parts.append(f"p = {format_p(best.p_max_t)} allowing for the choice of the best of them (max-T)")
    return "; ".join(parts) + "."


def _ceiling_sentence(run: FinishedRun, best: pd.Series, ceilings: Sequence[Ceiling]) -> str:
    if not ceilings:
        return "No ceiling was run, so it isn't known how alike two SAEs of one model would be."
    value = float(np.mean([ceiling.value for ceiling in ceilings]))
    mean = "on average " if len(ceilings) > 1 else ""
    text = (
        f"The ceiling is {mean}{format_score(value)}: one model with SAEs of two seeds "
        f"({ceiling_places(run, ceilings)})"
    )
    chance = best.null_mean if np.isfinite(best.null_mean) else 0.0
    if best.value >= value:
        return f"{text}; the score is not below it."
    share = (best.value - chance) / (value - chance) if value > chance else np.nan
    covered = f"; the score is {percent(share)} of the way there from chance" if share > 0 else ""
    return f"{text}{covered}."


def _count_sentence(view: MeasureView) -> str:
    tested, total = len(view.tested), len(view.rows)
    text = f"{len(view.significant)} of {tested} layer pairs are {chance_words(view)} (q ≤ {ALPHA:g})"
    return text + (f"; {total - tested} could not be scored." if total > tested else ".")


def _control_sentences(run: FinishedRun, view: MeasureView) -> list[str]:
    found = []
    for control in other_controls(run):
        for other in measure_views(run, control=control):
            if other.measure == view.measure and other.first_null and other.rows.value.notna().any():
                top = format_score(float(other.rows.value.max()))
                above = f"{len(other.significant)} of {len(other.tested)}"
                found.append(
                    f"Control {control!r}: highest score {top}, {above} layer pairs {chance_words(other)}."
                )
    return found
