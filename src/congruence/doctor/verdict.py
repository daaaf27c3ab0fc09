"""From an SAE's figures to one record: ok, warning or error, with what to do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from congruence.doctor.fit import Fit
from congruence.doctor.places import in_words
from congruence.doctor.records import STATUSES, Status
from congruence.doctor.suspects import POOR, Suspicion

HOPELESS = 1.0
"""FVU above which the mean of the vectors says more about them than the SAE."""
DENSE = 0.25
"""Share of features active on a token above which an SAE isn't sparse."""
NORM_RATIO = (0.6, 1.5)
ENOUGH_FIRINGS = 20
"""Mean firings a feature in the sample from which dead features say something."""
DEAD = 0.5


@dataclass(frozen=True)
class Verdict:
    """What a record says of a fit."""

    status: Status
    message: str
    remedy: str = ""
    cause: str = ""


def judge(place: str, fit: Fit, suspicions: Sequence[Suspicion]) -> Verdict:
    """The strongest thing that can be said against an SAE; ok if there is nothing.

    Of several suspicions the one that explains most is told.
    """
    found = _worst(suspicions)
    if found is not None and found.status == "error":
        return Verdict("error", found.message, found.remedy, found.cause)
    for rule in (_not_finite, _silent, _hopeless):
        if (verdict := rule(place, fit)) is not None:
            return verdict
    if found is not None:
        return Verdict(found.status, found.message, found.remedy, found.cause)
    for rule in (_poor, _dense, _norm, _dead):
        if (verdict := rule(place, fit)) is not None:
            return verdict
    return Verdict("ok", f"fits {in_words(place)} (FVU {fit.fvu:.2g})")


def _worst(suspicions: Sequence[Suspicion]) -> Suspicion | None:
    ranked = sorted(suspicions, key=lambda s: (-STATUSES.index(s.status), s.fvu))
    return ranked[0] if ranked else None


def _not_finite(place: str, fit: Fit) -> Verdict | None:
    if all(math.isfinite(value) for value in (fit.fvu, fit.cosine, fit.norm_ratio)):
        return None
    message = f"its output for {in_words(place)} isn't finite, or what it is fed doesn't vary"
    return Verdict("error", message, "load it in float32, or check its file", "not_finite")


def _silent(place: str, fit: Fit) -> Verdict | None:
    if fit.l0 > 0:
        return None
    message = f"none of its features fires on {fit.tokens} tokens of {in_words(place)}"
    return Verdict("error", message, "check its thresholds, its input scale and its hook", "silent")


def _hopeless(place: str, fit: Fit) -> Verdict | None:
    if fit.fvu < HOPELESS:
        return None
    message = f"reconstructs {in_words(place)} worse than its mean would (FVU {fit.fvu:.2g})"
    return Verdict("error", message, "check that model, hook and SAE belong together", "poor")


def _poor(place: str, fit: Fit) -> Verdict | None:
    if fit.fvu < POOR:
        return None
    message = f"leaves much of {in_words(place)} unexplained (FVU {fit.fvu:.2g})"
    return Verdict(
        "warning", message, "its features may miss what matters: is the text like its own?", "poor"
    )


def _dense(place: str, fit: Fit) -> Verdict | None:
    if fit.l0 < DENSE * fit.d_sae:
        return None
    message = f"{fit.l0:.0f} features fire on a token of {in_words(place)}, which isn't sparse"
    return Verdict("warning", message, "check its thresholds and its input scale", "dense")


def _norm(place: str, fit: Fit) -> Verdict | None:
    if NORM_RATIO[0] <= fit.norm_ratio <= NORM_RATIO[1]:
        return None
    message = f"its reconstructions are {fit.norm_ratio:.2g} times as long as {in_words(place)}"
    return Verdict("warning", message, "check its input scale", "norm")


def _dead(place: str, fit: Fit) -> Verdict | None:
    if fit.dead_share < DEAD or fit.l0 * fit.tokens < ENOUGH_FIRINGS * fit.d_sae:
        return None
    message = f"{100 * fit.dead_share:.0f} % of its features fire on none of {fit.tokens} tokens"
    return Verdict("warning", message, "dead features are left out of the pairs", "dead")
