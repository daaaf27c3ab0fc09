"""Why an SAE might not fit, and what is said of it: from its figures to one record.

A suspicion is a change under which the SAE fits far better.
"""

import math
from collections.abc import Mapping, Sequence

from congruence.doctor.places import in_words, than
from congruence.doctor.probes import Probe
from congruence.doctor.records import STATUSES, Record, Status
from congruence.saes.fit import Fit

CLEARLY = 1.25
"""FVU here over FVU elsewhere that is an error: at most 0.75 for right SAEs, 1.35 to 20 one block off."""
ABOUT = 1.05
"""The same ratio from which it is worth a warning."""
NOTEWORTHY = 1.1
"""The same ratio for another input scale."""
EXPLAINED = 0.7
"""FVU above which a change doesn't explain a misfit: nothing fits then."""
SPENT = 0.8
"""FVU from which an SAE explains next to nothing, as when its input is too small for any feature to fire."""
POOR = 0.5
"""FVU from which an SAE is called poor, and the costlier suspicions are looked into."""
FOREIGN = 0.8
"""FVU here over FVU on randomly turned vectors from which an SAE knows nothing of its model."""
UNRELATED = 0.05
"""Mean cosine of encoder and decoder below which they don't belong together; trained ones have 0.3 to 0.9."""
HOPELESS = 1.0
"""FVU above which the mean of the vectors says more about them than the SAE."""
DENSE = 0.25
"""Share of features active on a token above which an SAE isn't sparse."""
TIMES = 2
"""Firings a token over k, or k over them, from which k isn't what is meant."""
NORM_RATIO = (0.6, 1.5)
ENOUGH_FIRINGS = 20
"""Mean firings a feature in the sample from which dead features say something."""
DEAD = 0.5


def judge(place: str, fit: Fit, suspicions: Sequence[Record]) -> Record:
    """The strongest thing that can be said against an SAE; ok if there is nothing.

    Of several suspicions the one that explains most is told.
    """
    found = _worst(suspicions)
    if found is not None and found.status == "error":
        return found
    hopeless = [rule(place, fit) for rule in (_not_finite, _silent, _hopeless)]
    doubtful = [rule(place, fit) for rule in (_poor, _dense, _norm, _dead)]
    records = [record for record in (*hopeless, found, *doubtful) if record is not None]
    return records[0] if records else Record("fit", "ok", f"fits {in_words(place)} (FVU {fit.fvu:.2g})")


def other_hook(place: str, fit: Fit, others: Mapping[str, Fit], named: str | None) -> Record | None:
    """The SAE fits what flows at another place better than what it is fed.

    Where that is the place which its own file names, a small difference is evidence enough.
    """
    best = min(others, key=lambda name: others[name].fvu, default="")
    if named is not None and named in others and others[named].fvu * ABOUT <= fit.fvu:
        best = named
    if not best or others[best].fvu * ABOUT > fit.fvu or others[best].fvu > EXPLAINED:
        return None
    strong = others[best].fvu * CLEARLY <= fit.fvu or best == named
    told = " (its file names that place too)" if best == named else ""
    return _suspicion(
        "hook",
        "error" if strong else "warning",
        f"fits {in_words(best)} better (FVU {others[best].fvu:.2f}) than {than(best, place)} "
        f"({fit.fvu:.2f}){told}",
        f"read it at {best}, or name the SAE that was trained on {place}",
        others[best].fvu,
    )


def other_reading(fit: Fit, readings: Sequence[tuple[str, Fit]]) -> Record | None:
    """A home-made file reconstructs better read otherwise, or hardly at all as it is read.

    Args:
        fit: as the configuration says.
        readings: the setting that would say otherwise, and the fit with it.
    """
    setting, best = min(readings, key=lambda reading: reading[1].fvu)
    if best.fvu * CLEARLY <= fit.fvu and best.fvu <= EXPLAINED:
        return _suspicion(
            "reading",
            "error",
            f"its file reconstructs better (FVU {best.fvu:.2f}) read with {setting} than as it is "
            f"({fit.fvu:.2f})",
            f"add {setting} beside its path",
            best.fvu,
        )
    if fit.fvu < SPENT:
        return None
    return _suspicion(
        "reading",
        "error",
        f"read by its shapes it doesn't reconstruct what it is fed (FVU {fit.fvu:.2f})",
        "check activation, k, threshold, orientation and hook beside its path",
        fit.fvu,
    )


def other_count(fit: Fit, k: int | None) -> Record | None:
    """A home-made file whose features fire by its threshold, and not as often as `k` says.

    Args:
        fit: as it is read.
        k: features that should fire on a token on average; None where nobody says.
    """
    if k is None or k / TIMES <= fit.l0 <= k * TIMES:
        return None
    message = f"{fit.l0:.3g} features fire on a token by the threshold in its file, and k says {k}"
    remedy = "correct k, or take the threshold out of the file to let k features fire"
    return Record("fit", "warning", message, remedy, "reading", figures={"fvu_mended": fit.fvu})


def other_scale(fit: Fit, probes: list[Probe]) -> Record | None:
    """The SAE fits inputs of another scale, without more features firing to buy it."""
    genuine = [probe for probe in probes if _genuine(fit, probe.fit)]
    if not genuine:
        return None
    best = min(genuine, key=lambda probe: probe.fit.fvu)
    simplest = next(probe for probe in genuine if probe.fit.fvu <= 1.1 * best.fit.fvu)
    return _suspicion(
        "scale",
        "error" if best.fit.fvu * CLEARLY <= fit.fvu else "warning",
        f"fits {simplest.change} better (FVU {simplest.fit.fvu:.2f}) than what it is fed ({fit.fvu:.2f})",
        "its input scaling is missing or wrong in its files: set normalize_activations in its config, or "
        "fold the factor into its weights (save it anew with the library that trained it)",
        simplest.fit.fvu,
    )


def _genuine(fit: Fit, changed: Fit) -> bool:
    """Better with as many features, or mended where next to nothing was explained.

    An SAE with a threshold always explains more of a larger input, as more features then pass it.
    """
    if changed.fvu > EXPLAINED:
        return False
    better = changed.fvu * NOTEWORTHY <= fit.fvu and changed.l0 <= 1.05 * fit.l0
    return better or (fit.fvu >= SPENT and changed.fvu <= fit.fvu / 3)


def other_order(fit: Fit, flipped: Fit) -> Record | None:
    """A crosscoder of two models fits them better the other way round."""
    if flipped.fvu * CLEARLY > fit.fvu or flipped.fvu > EXPLAINED:
        return None
    return _suspicion(
        "order",
        "error",
        f"the crosscoder fits its two models better the other way round (FVU {flipped.fvu:.2f}) than as they "
        f"are ({fit.fvu:.2f})",
        "exchange a and b, or write pairing.places: [1, 0] ([0, 1] where it says that)",
        flipped.fvu,
    )


def other_decoder(fit: Fit, cosine: float, probes: list[Probe]) -> Record | None:
    """The decoder's numbers lie in another order than its encoder's."""
    best = min(probes, key=lambda probe: probe.fit.fvu)
    if fit.fvu < POOR or cosine >= UNRELATED:
        return None
    if best.fit.fvu <= min(fit.fvu / 2, HOPELESS):
        return _suspicion(
            "decoder",
            "error",
            f"encoder and decoder don't belong together (mean cosine {cosine:.2f}, FVU {fit.fvu:.2g}), but "
            f"with {best.change} they do (FVU {best.fit.fvu:.2g})",
            "its file holds a matrix in the other orientation: save it anew with W_enc (d_in, d_sae) and "
            "W_dec (d_sae, d_in) as its format has them",
            best.fit.fvu,
        )
    return _suspicion(
        "decoder",
        "error",
        f"encoder and decoder don't belong together (mean cosine {cosine:.2f}, FVU {fit.fvu:.2g})",
        "the decoder is transposed, in another order or of another SAE: get the files anew",
        fit.fvu,
    )


def other_model(fit: Fit, turned: Fit, places: int) -> Record | None:
    """The SAE does no better than on vectors turned at random: it knows none of this model's directions."""
    if fit.l0 == 0 or fit.fvu < max(POOR, FOREIGN * turned.fvu):
        return None
    return _suspicion(
        "other_model",
        "error",
        f"knows no direction of this model: FVU {fit.fvu:.2g} here, {turned.fvu:.2g} on the same vectors "
        f"turned at random, and none of {places} other places fits it",
        "it was trained on another model of equal width: check model, revision and saes",
        fit.fvu,
    )


def _suspicion(cause: str, status: Status, message: str, remedy: str, fvu: float) -> Record:
    """A record with what would be left of the misfit."""
    return Record("fit", status, message, remedy, cause, figures={"fvu_mended": fvu})


def _worst(suspicions: Sequence[Record]) -> Record | None:
    ranked = sorted(suspicions, key=lambda s: (-STATUSES.index(s.status), s.figures["fvu_mended"]))
    return ranked[0] if ranked else None


def _not_finite(place: str, fit: Fit) -> Record | None:
    if all(math.isfinite(value) for value in (fit.fvu, fit.cosine, fit.norm_ratio)):
        return None
    message = f"its output for {in_words(place)} isn't finite, or what it is fed doesn't vary"
    return Record("fit", "error", message, "load it in float32, or check its file", "not_finite")


def _silent(place: str, fit: Fit) -> Record | None:
    if fit.l0 > 0:
        return None
    message = f"none of its features fires on {fit.tokens} tokens of {in_words(place)}"
    return Record("fit", "error", message, "check its thresholds, its input scale and its hook", "silent")


def _hopeless(place: str, fit: Fit) -> Record | None:
    if fit.fvu < HOPELESS:
        return None
    message = f"reconstructs {in_words(place)} worse than its mean would (FVU {fit.fvu:.2g})"
    return Record("fit", "error", message, "check that model, hook and SAE belong together", "poor")


def _poor(place: str, fit: Fit) -> Record | None:
    if fit.fvu < POOR:
        return None
    message = f"leaves much of {in_words(place)} unexplained (FVU {fit.fvu:.2g})"
    remedy = "its features may miss what matters: is the text like its own?"
    return Record("fit", "warning", message, remedy, "poor")


def _dense(place: str, fit: Fit) -> Record | None:
    if fit.l0 < DENSE * fit.d_sae:
        return None
    message = f"{fit.l0:.0f} features fire on a token of {in_words(place)}, which isn't sparse"
    return Record("fit", "warning", message, "check its thresholds and its input scale", "dense")


def _norm(place: str, fit: Fit) -> Record | None:
    if NORM_RATIO[0] <= fit.norm_ratio <= NORM_RATIO[1]:
        return None
    message = f"its reconstructions are {fit.norm_ratio:.2g} times as long as {in_words(place)}"
    return Record("fit", "warning", message, "check its input scale", "norm")


def _dead(place: str, fit: Fit) -> Record | None:
    if fit.dead_share < DEAD or fit.l0 * fit.tokens < ENOUGH_FIRINGS * fit.d_sae:
        return None
    message = f"{100 * fit.dead_share:.0f} % of its features fire on none of {fit.tokens} tokens"
    return Record("fit", "warning", message, "dead features are left out of the pairs", "dead")
