"""One SAE under examination: measured where it is fed and beside it, and its misfit explained."""

import time
from dataclasses import dataclass, replace

import torch

from congruence.doctor.judge import (
    POOR,
    judge,
    other_count,
    other_decoder,
    other_hook,
    other_model,
    other_reading,
    other_scale,
)
from congruence.doctor.places import beside, elsewhere, named_place, target_place
from congruence.doctor.probes import (
    FACTORS,
    FEW_FACTORS,
    decoder_probes,
    encoder_decoder_cosine,
    rotated_fit,
    scale_probes,
)
from congruence.doctor.records import Record
from congruence.errors import CongruenceError, SaeError
from congruence.saes import Sae
from congruence.saes.fit import Fit, measure
from congruence.saes.plain import other_readings
from congruence.sides.sample import Sample
from congruence.sides.side import Side, fed_place

PROBE_SHARE = 5
"""The sample holds this many times the tokens that an SAE is changed and measured again on."""
FEWEST_TOKENS = 128
WEIGHTS_READ = 1 << 33
"""Most multiplications by one SAE's encoder in one measurement: wide SAEs are seen on fewer tokens."""


@dataclass(frozen=True)
class Effort:
    """How much of a sample goes into explaining a misfit.

    Attributes:
        beside: the places beside are looked at on this part of the tokens, one in so many.
        probes: so are changed SAEs.
        fewest: tokens that these get at least.
        factors: scales of the input that are tried.
        searches: whether a poor fit is looked for at every place and in reordered weights.
    """

    beside: int
    probes: int
    fewest: int
    factors: tuple[float, ...]
    searches: bool


THOROUGH = Effort(1, PROBE_SHARE, FEWEST_TOKENS, FACTORS, True)
BRIEF = Effort(4, 4, 32, FEW_FACTORS, False)
"""Enough to see that all is well; whatever doesn't look so is examined thoroughly."""


@dataclass(frozen=True)
class Patient:
    """An SAE and where it is fed.

    Attributes:
        side: its side; layer: its block.
        seed: "saes" or "other_seed".
        sae: the SAE.
        key: of what it computes; "" where that isn't known.
    """

    side: Side
    layer: int
    seed: str
    sae: Sae
    key: str = ""


def examine(patient: Patient, sample: Sample, effort: Effort = THOROUGH) -> Record:
    """The record of one SAE; whatever goes wrong with it is an error of its own."""
    about = {"side": patient.side.name, "layer": patient.layer, "seed": patient.seed}
    try:
        place = fed_place(patient.side, patient.layer)
        about |= {"hook_name": place}
        width = sample.states(place).shape[-1]
        if width != patient.sae.d_in:
            return Record("fit", "error", *_wrong_width(patient, place, width), cause="d_in", **about)
        if not torch.isfinite(sample.states(place)).all():
            remedy = "load the model in float32 or bfloat16"
            return Record("fit", "error", f"{place} isn't finite", remedy, cause="not_finite", **about)
        return _examined(patient, sample, place, about, effort=effort)
    except CongruenceError as error:
        return Record("fit", "error", str(error), **about)


def _wrong_width(patient: Patient, place: str, width: int) -> tuple[str, str]:
    sae = patient.sae
    message = f"d_in disagrees: the SAE {sae.path} reads vectors of {sae.d_in}, {place} gives {width}"
    return message, f"name the SAEs that were trained on {patient.side.config.label}"


def _examined(patient: Patient, sample: Sample, place: str, about: dict, *, effort: Effort) -> Record:
    side, sae = patient.side, patient.sae
    if sae.is_part:
        message = (
            f"one layer of a cross-layer transcoder at {place}: what it adds to others isn't judged alone"
        )
        return Record("fit", "ok", message, **about)
    if sae.is_transcoder and target_place(sae, place) is None:
        message = f"a transcoder at {place}: what it predicts isn't known, so its fit can't be measured"
        return Record("fit", "warning", message, "name its hook as a kind, such as mlp_in", **about)
    fit = _fit(sae, sample, place, of=place)
    few = None if effort.beside == 1 else max(effort.fewest, fit.tokens // effort.beside)
    near = fit if few is None else _fit(sae, sample, place, of=place, most=few)
    before, after = beside(side, place, patient.layer)
    named = named_place(side, sae, place)
    others = {
        other: _fit(sae, sample, other, of=place, most=few)
        for other in dict.fromkeys((before, after, named))
        if other is not None and _fits_in(sae, sample, other)
    }
    found = judge(place, fit, _suspicions(patient, sample, place, near, others, effort=effort))
    seconds = _seconds_a_token(sae, sample.states(place)[: max(effort.fewest, fit.tokens // 4)])
    figures = {**found.figures, **fit.figures, "seconds_a_token": seconds, "d_in": sae.d_in}
    for name, other in (("before", before), ("after", after)):
        figures |= {f"{key}_{name}": value for key, value in _short(others.get(other or "")).items()}
    return replace(found, figures=figures, **about)


def _suspicions(
    patient: Patient, sample: Sample, place: str, fit: Fit, others: dict[str, Fit], *, effort: Effort
) -> list[Record]:
    """Every explanation of a misfit that holds; the costlier ones are tried only where the fit is poor."""
    side, sae = patient.side, patient.sae
    found = [other_hook(place, fit, others, named_place(side, sae, place))]
    if sae.is_transcoder:
        return [suspicion for suspicion in found if suspicion]
    x = sample.states(place)[sample.ordinary(place)]
    x = x[: max(effort.fewest, _most_tokens(sae, len(x)) // effort.probes)]
    here = measure(sae, x)
    if sae.format == "plain":
        found.append(other_count(here, sae.metadata.get("k")))
        found.append(other_reading(here, [(told, measure(one, x)) for told, one in other_readings(sae)]))
    found.append(other_scale(here, scale_probes(sae, x, effort.factors)))
    if here.fvu >= POOR and effort.searches:
        far = [name for name in elsewhere(side, place) if name not in others]
        sample.capture(far)
        few = {
            name: _fit(sae, sample, name, of=place, most=len(x))
            for name in far
            if _fits_in(sae, sample, name)
        }
        found.append(other_hook(place, here, few, None))
        found.append(other_decoder(here, encoder_decoder_cosine(sae), decoder_probes(sae, x)))
        if not any(found):
            found.append(other_model(here, rotated_fit(sae, x), len(few) + len(others)))
    return [suspicion for suspicion in found if suspicion]


def _fit(sae: Sae, sample: Sample, place: str, *, of: str, most: int | None = None) -> Fit:
    """The figures at `place`, on the tokens that are ordinary where the SAE is fed."""
    x = sample.states(place)[sample.ordinary(of)]
    x = x[: most or _most_tokens(sae, len(x))]
    if not sae.is_transcoder:
        return measure(sae, x)
    target = sample.states(str(target_place(sae, place)))[sample.ordinary(of)][: len(x)]
    if target.shape[-1] != sae.d_out:
        raise SaeError(
            f"the transcoder {sae.path} predicts vectors of {sae.d_out}, {target_place(sae, place)} has "
            f"{target.shape[-1]}: it belongs to another model or hook point"
        )
    return measure(sae, x, target)


def _seconds_a_token(sae: Sae, x: torch.Tensor) -> float:
    """What encoding takes, as a capture does it."""
    started = time.perf_counter()
    sae.encode_csr(x)
    return (time.perf_counter() - started) / len(x)


def _fits_in(sae: Sae, sample: Sample, place: str) -> bool:
    return sample.states(place).shape[-1] == sae.d_in


def _most_tokens(sae: Sae, available: int) -> int:
    return min(available, max(FEWEST_TOKENS, WEIGHTS_READ // (sae.d_in * sae.d_sae)))


def _short(fit: Fit | None) -> dict[str, float]:
    return (
        {}
        if fit is None
        else {"fvu": fit.fvu, "cosine": fit.cosine, "l0": fit.l0, "norm_ratio": fit.norm_ratio}
    )
