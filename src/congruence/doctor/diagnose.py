"""The whole examination, and the brief one before a run: both sides, the text, every SAE."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from congruence.config.parsing import resolve
from congruence.config.run import RunConfig
from congruence.config.sections import SideConfig
from congruence.config.steps import check_names
from congruence.doctor.cost import cost_records
from congruence.doctor.crosscoders import Seat, examine_crosscoder
from congruence.doctor.places import beside, exists, named_place
from congruence.doctor.records import Record, errors
from congruence.doctor.saes import BRIEF, Patient, examine
from congruence.doctor.seeds import seed_records
from congruence.doctor.sink_effect import effect_records
from congruence.doctor.text_checks import sink_record, special_token_records, tokenizer_record
from congruence.errors import CongruenceError, InputError, SaeError
from congruence.progress import advance
from congruence.saes import Sae
from congruence.sides.corpus import SharedText, read_text
from congruence.sides.crosscoder import OTHER_TOKENS, JointReading, joint_reading
from congruence.sides.sample import Sample
from congruence.sides.side import (
    Side,
    fed_place,
    known_saes,
    layers_of,
    open_model,
    other_seed_layers,
    sae_of_layer,
)

logger = logging.getLogger(__name__)

THOROUGH_TOKENS = 1024
SAMPLE_TOKENS = 4096


def diagnose(
    config: RunConfig | Mapping[str, Any] | str | Path, *, sample_tokens: int = SAMPLE_TOKENS
) -> list[Record]:
    """Examine everything that a run needs to fit together, before anything is computed.

    Args:
        config: a configuration, a mapping, or the path of a YAML file.
        sample_tokens: tokens of the corpus that are looked at; wide SAEs see fewer of them.

    Returns:
        Records of the models and SAEs that don't open, of each SAE's fit, of the text, and of the cost.
        An unreadable model or file is an error among them and doesn't stop the examination.

    Raises:
        ConfigError: the configuration itself is wrong.

    Source: ours.
    """
    if sample_tokens < 2:
        raise InputError(f"sample_tokens is {sample_tokens}: ask for at least 2, better some thousand")
    resolved = resolve(config, {})
    check_names(resolved)
    reading = joint_reading(resolved)
    resolved = resolved if reading is None else reading.config
    records: list[Record] = []
    sides: dict[str, Side] = {}
    for name in ("a", "b"):
        side, problems = _open_tolerantly(name, getattr(resolved, name), sides.get("a"))
        records += problems
        sides |= {} if side is None else {name: side}
    if len(sides) < 2:
        return records
    try:
        bos = None if reading is None else reading.prepend_bos
        text = read_text(resolved.corpus, sides["a"], sides["b"], trained_with_bos=bos)
    except CongruenceError as error:
        return [*records, Record("text", "error", str(error))]
    samples = {}
    for name, side in sides.items():
        alike = next((n for n in samples if text.samples[n] is text.samples[name]), None)
        new = Sample.of(side.model, text.tokens[name], sample_tokens) if alike is None else samples[alike]
        samples[name] = new
    found = examination(resolved, sides, text, samples=samples, reading=reading)
    return [*records, *found, *effect_records(resolved, sides, text, samples)]


def preflight(
    config: RunConfig, sides: Mapping[str, Side], text: SharedText, reading: JointReading | None = None
) -> list[Record]:
    """Look at a few tokens, thoroughly where they leave doubts, and stop where something doesn't fit.

    A forced run isn't stopped, so it has the few tokens alone. A hook that is shifted on purpose
    (`hook_offset`) is logged and doesn't stop the run. Cost: some 2 % of the capture; that of a text of some
    thousand tokens is at most twice that.

    Args:
        config, sides, text: of the run.
        reading: the crosscoder of a run whose pairs are a crosscoder's.

    Raises:
        SaeError: the first error, how many there are, and what to do, in one line.
    """
    found = examination(config, sides, text, samples=text.samples, reading=reading, brief=True)
    records = [_as_declared(record, sides) for record in found]
    stopping = errors(records)
    for record in records:
        if record.status == "warning" or (record.status == "error" and config.force):
            logger.warning("%s", record.line)
    if stopping and not config.force:
        raise SaeError(stop_line(stopping))
    return records


def stop_line(stopping: list[Record]) -> str:
    """The first error and how many there are.

    Args:
        stopping: the errors, at least one.
    """
    more = f" (and {len(stopping) - 1} more)" if len(stopping) > 1 else ""
    return f"{stopping[0].line}{more}; `congruence doctor` shows everything, --force runs all the same"


def examination(
    config: RunConfig,
    sides: Mapping[str, Side],
    text: SharedText,
    *,
    samples: Mapping[str, Sample],
    reading: JointReading | None = None,
    brief: bool = False,
) -> list[Record]:
    """The records of two sides that are open, on a text that is read.

    Args:
        config, sides, text: of the run.
        samples: a sample of each side; the same object where model and text are the same.
        reading: the crosscoder, where one pairs the features.
        brief: look at little, and thoroughly only where that leaves doubts that could stop the run.
    """
    fits: list[Record] = []
    others: list[Record] = [tokenizer_record(config, text)]
    seen: dict[Any, Record] = {}
    for name, side in sides.items():
        sample, metadata, task = samples[name], [], f"look at SAEs of {side.config.label}"
        count = len(side.saes) + len(side.other_seed)
        try:
            sample.capture(_places(side))
        except CongruenceError as error:
            others.append(Record("model", "error", str(error), side=name))
            continue
        for patient in _patients(side):
            advance(task, len(metadata), count, "SAEs")
            same = (id(sample), patient.key, patient.layer, side.config.hook, side.config.hook_offset)
            if same not in seen or not patient.key:
                seen[same] = _brief_look(patient, sample, text, config) if brief else examine(patient, sample)
            fits.append(replace(seen[same], side=name, seed=patient.seed))
            if patient.seed == "saes":
                metadata.append(patient.sae.metadata)
        advance(task, count, count, "SAEs")
        others += [] if brief else seed_records(side, sample)
        others += special_token_records(config, side, text.tokens[name], metadata)
        others.append(sink_record(config, side, sample, text))
    if reading is not None:
        fits += _crosscoder_fits(reading, sides, text, samples, again=brief and not config.force)
    return [*fits, *others, *cost_records(config, sides, text, samples, fits)]


def _crosscoder_fits(
    reading: JointReading,
    sides: Mapping[str, Side],
    text: SharedText,
    samples: Mapping[str, Sample],
    *,
    again: bool,
) -> list[Record]:
    """The records of a crosscoder; with `again`, on more tokens where the sample leaves doubts."""
    if text.alignment is not None:
        return [Record("fit", "error", OTHER_TOKENS)]
    try:
        hooks = reading.read_at(sides)
        crosscoder = reading.crosscoder
    except CongruenceError as error:
        return [Record("fit", "error", str(error))]
    seats = [Seat(sides[side], hook, samples[side]) for side, hook in hooks]
    records = examine_crosscoder(crosscoder, seats, reading.place_at)
    if not again or all(_beyond_doubt(record) for record in records):
        return records
    more = {name: Sample.of(side.model, text.tokens[name], THOROUGH_TOKENS) for name, side in sides.items()}
    seats = [replace(seat, sample=more[side]) for seat, (side, _) in zip(seats, hooks, strict=True)]
    return examine_crosscoder(crosscoder, seats, reading.place_at)


def _beyond_doubt(record: Record) -> bool:
    """Whether more tokens would say nothing else."""
    return record.cause in ("", "dense", "norm", "dead", "d_in")


def _brief_look(patient: Patient, sample: Sample, text: SharedText, config: RunConfig) -> Record:
    """A brief record; a thorough one where it leaves doubts, or the SAE's file names another place."""
    record = examine(patient, sample, BRIEF)
    doubtful = not _beyond_doubt(record) or patient.sae.format == "plain"
    if record.hook_name and named_place(patient.side, patient.sae, record.hook_name) is not None:
        doubtful = True  # a difference too small for few tokens is evidence then
    if not doubtful or config.force or patient.side.config.hook_offset:
        return record
    name = patient.side.name
    return examine(patient, Sample.of(patient.side.model, text.tokens[name], THOROUGH_TOKENS))


def _places(side: Side) -> list[str]:
    """Every place that an SAE is fed, and those beside it, so that one pass captures them all."""
    places: list[str | None] = []
    for layer in side.layers:
        try:
            place = fed_place(side, layer)
        except CongruenceError:  # told in the record of the layer's SAE
            continue
        places += [place, *beside(side, place, layer)]
    return list(dict.fromkeys(place for place in places if place is not None and exists(side, place)))


def _open_tolerantly(name: str, config: SideConfig, beside: Side | None) -> tuple[Side | None, list[Record]]:
    """A side with those of its SAEs that can be read, and an error for everything else.

    Args:
        name, config: of the side.
        beside: the side that is open, whose model may be this one's.

    Returns:
        The side, None where not even its model opens; and the errors.
    """
    try:
        model = open_model(config, beside=beside)
        layers = layers_of(config, model)
    except CongruenceError as error:
        return None, [Record("model", "error", str(error), side=name)]
    records: list[Record] = []
    saes = {} if config.features != "sae" else _readable(name, config, "saes", layers, records)
    try:
        other_layers = other_seed_layers(config, layers)
    except CongruenceError as error:
        records.append(Record("sae", "error", str(error), side=name, seed="other_seed"))
        other_layers = ()
    other = _readable(name, config, "other_seed", other_layers, records)
    return Side(name, config, model, saes, other, layers), records


def _readable(
    name: str, config: SideConfig, seed: str, layers: tuple[int, ...], records: list[Record]
) -> dict[int, Sae]:
    """The SAEs that can be read; for each of the others an error is added to `records`."""
    found = {}
    for layer in layers:
        try:
            found[layer] = sae_of_layer(getattr(config, seed), layer, config)
        except CongruenceError as error:
            records.append(Record("sae", "error", str(error), side=name, layer=layer, seed=seed))
    return found


def _patients(side: Side) -> Iterator[Patient]:
    """Every SAE of a side."""
    for seed in ("saes", "other_seed"):
        saes = getattr(side, seed)
        keys = {layer: known.key for layer, known in known_saes(saes).items()}
        for layer, sae in saes.items():
            yield Patient(side, layer, seed, sae, keys[layer])


def _as_declared(record: Record, sides: Mapping[str, Side]) -> Record:
    asked_for = record.side in sides and sides[record.side].config.hook_offset != 0
    if asked_for and record.check == "fit" and record.status == "error":
        return replace(record, status="warning", remedy="hook_offset asks for this")
    return record
