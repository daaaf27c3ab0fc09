"""Why an SAE might not fit: each suspicion is a change under which it fits far better."""

from collections.abc import Mapping
from dataclasses import dataclass

from congruence.doctor.fit import Fit
from congruence.doctor.places import in_words, than
from congruence.doctor.probes import Probe
from congruence.doctor.records import Status

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


@dataclass(frozen=True)
class Suspicion:
    """One cause of a misfit.

    Attributes:
        cause: hook, scale, decoder or other_model; see :class:`~.records.Record`.
        status: how strong the evidence is.
        message, remedy: for people.
        fvu: what would be left of the misfit.
    """

    cause: str
    status: Status
    message: str
    remedy: str
    fvu: float


def other_hook(place: str, fit: Fit, others: Mapping[str, Fit], named: str | None) -> Suspicion | None:
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
    return Suspicion(
        "hook",
        "error" if strong else "warning",
        f"fits {in_words(best)} better (FVU {others[best].fvu:.2f}) than {than(best, place)} "
        f"({fit.fvu:.2f}){told}",
        f"read it at {best}, or name the SAE that was trained on {place}",
        others[best].fvu,
    )


def other_scale(fit: Fit, probes: list[Probe]) -> Suspicion | None:
    """The SAE fits inputs of another scale, without more features firing to buy it."""
    genuine = [probe for probe in probes if _genuine(fit, probe.fit)]
    if not genuine:
        return None
    best = min(genuine, key=lambda probe: probe.fit.fvu)
    simplest = next(probe for probe in genuine if probe.fit.fvu <= 1.1 * best.fit.fvu)
    return Suspicion(
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


def other_decoder(fit: Fit, cosine: float, probes: list[Probe]) -> Suspicion | None:
    """The decoder's numbers lie in another order than its encoder's."""
    best = min(probes, key=lambda probe: probe.fit.fvu)
    if fit.fvu < POOR or cosine >= UNRELATED:
        return None
    if best.fit.fvu <= fit.fvu / 2:
        return Suspicion(
            "decoder",
            "error",
            f"encoder and decoder don't belong together (mean cosine {cosine:.2f}, FVU {fit.fvu:.2g}), but "
            f"with {best.change} they do (FVU {best.fit.fvu:.2g})",
            "its file holds a matrix in the other orientation: save it anew with W_enc (d_in, d_sae) and "
            "W_dec (d_sae, d_in) as its format has them",
            best.fit.fvu,
        )
    return Suspicion(
        "decoder",
        "error",
        f"encoder and decoder don't belong together (mean cosine {cosine:.2f}, FVU {fit.fvu:.2g})",
        "the decoder is transposed, in another order or of another SAE: get the files anew",
        fit.fvu,
    )


def other_model(fit: Fit, turned: Fit, places: int) -> Suspicion | None:
    """The SAE does no better than on vectors turned at random: it knows none of this model's directions."""
    if fit.l0 == 0 or fit.fvu < max(POOR, FOREIGN * turned.fvu):
        return None
    return Suspicion(
        "other_model",
        "error",
        f"knows no direction of this model: FVU {fit.fvu:.2g} here, {turned.fvu:.2g} on the same vectors "
        f"turned at random, and none of {places} other places fits it",
        "it was trained on another model of equal width: check model, revision and saes",
        fit.fvu,
    )
