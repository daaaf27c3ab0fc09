"""The whole examination: open both sides, read the text, look at every SAE."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from congruence.config.parsing import resolve
from congruence.config.run import RunConfig
from congruence.config.steps import check_names
from congruence.doctor.cost import cost_record
from congruence.doctor.opening import open_tolerantly, patients
from congruence.doctor.places import beside, exists, fed_place
from congruence.doctor.records import Record
from congruence.doctor.saes import examine
from congruence.doctor.sample import Sample
from congruence.doctor.text_checks import sink_record, special_token_records, tokenizer_record
from congruence.errors import CongruenceError, InputError
from congruence.sides.corpus import SharedText, read_text
from congruence.sides.side import Side

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
    records: list[Record] = []
    sides: dict[str, Side] = {}
    for name in ("a", "b"):
        side, problems = open_tolerantly(name, getattr(resolved, name))
        records += problems
        sides |= {} if side is None else {name: side}
    if len(sides) < 2:
        return records
    try:
        text = read_text(resolved.corpus, sides["a"], sides["b"])
    except CongruenceError as error:
        return [*records, Record("text", "error", str(error))]
    return records + examination(resolved, sides, text, sample_tokens=sample_tokens)


def examination(
    config: RunConfig, sides: Mapping[str, Side], text: SharedText, *, sample_tokens: int
) -> list[Record]:
    """The records of two sides that are open, on a text that is read."""
    samples = {name: Sample.of(side.model, text.tokens[name], sample_tokens) for name, side in sides.items()}
    fits: list[Record] = []
    others: list[Record] = [tokenizer_record(config, text)]
    for name, side in sides.items():
        try:
            samples[name].capture(_places(side))
        except CongruenceError as error:
            others.append(Record("model", "error", str(error), side=name))
            continue
        fits += [examine(patient, samples[name]) for patient in patients(side)]
        others += special_token_records(config, side, text.tokens[name])
        others.append(sink_record(side, samples[name]))
    return [*fits, *others, cost_record(config, sides, text, samples, fits)]


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
