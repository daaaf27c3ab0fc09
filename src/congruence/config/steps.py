"""Steps of a configuration, written as a name, {name: value} or {name: {option: value}}, and checked."""

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.config.run import RunConfig
from congruence.config.saes import Given
from congruence.config.sections import MeasureFile, NullConfig, PairingConfig
from congruence.errors import ConfigError, quoted, unknown_name
from congruence.filters import FilterStep

if TYPE_CHECKING:
    from congruence.metrics import Measure
    from congruence.nulls import Null

TOKEN_FILTERS = ("non_concept", "random_tokens", "shared_token")
FACTS_OF_A_RUN = frozenset({"rows", "rates", "sizes", "pair_inside", "starts", "pair_shifted"})
"""What a null may ask of a run (see `congruence.nulls.Case`)."""
REACH = {"pearson": (-1.0, 1.0), "cosine": (-1.0, 1.0), "jaccard": (0.0, 1.0), "euclidean": (-math.inf, 0.0)}
"""Smallest and largest similarity of a pair."""


def parse_step(step: str | Mapping[str, Any], *, kind: str) -> tuple[str, dict[str, Any]]:
    """The name and options of one step; a bare value is the option called ``value``.

    >>> parse_step({"min_r": 0.1}, kind="filter")
    ('min_r', {'value': 0.1})
    """
    if isinstance(step, str):
        return step, {}
    if len(step) != 1:
        raise ConfigError(f"{kind} {dict(step)!r} has {len(step)} names: write one a line, {{name: value}}")
    ((name, options),) = step.items()
    if isinstance(options, Mapping):
        return str(name), dict(options)
    return str(name), {} if options is None else {"value": options}


def filter_steps(config: RunConfig) -> list[FilterStep]:
    """The filters of a run in order, with the 1-to-1 step that `pairing.keep` asks for.

    Where the list doesn't place ``one_to_one`` itself, it stands after the token filters and before the
    thresholds, as in the code of Lan et al. 2024 (appendix F).
    """
    steps = [FilterStep(*parse_step(step, kind="filter")) for step in config.filters]
    steps = [step.checked() for step in steps]
    _named_once("filters", [step.name for step in steps])
    _within_reach(steps, config.pairing.measure)
    if any(step.name == "beats_null" for step in steps) and not config.pairing.null_draws:
        raise ConfigError("filter 'beats_null' needs the null of the best r: set pairing.null_draws, e.g. 20")
    if config.pairing.keep and all(step.name != "one_to_one" for step in steps):
        place = 1 + max((i for i, step in enumerate(steps) if step.name in TOKEN_FILTERS), default=-1)
        steps.insert(place, FilterStep("one_to_one", {"keep": config.pairing.keep}))
    return steps


def _named_once(what: str, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(f"{what} names {quoted(name)} twice: leave one out")


def _within_reach(steps: Sequence[FilterStep], measure: str) -> None:
    """Refuse a threshold that every pair, or none, is above: similarities are bounded."""
    low, high = REACH.get(measure, (-math.inf, math.inf))
    for step in steps:
        value = step.options.get("value", low)
        if step.name == "min_r" and not low <= value < high:
            raise ConfigError(
                f"filter 'min_r' is {value:g}, and {measure} similarities lie between {low:g} and {high:g}: "
                "use a number between, or leave the filter out"
            )


def measures_of(steps: Sequence[Any], *, of: str = "") -> "list[Measure]":
    """Measures with their options bound; every name is on the table.

    Args:
        steps: as in the configuration.
        of: whose, in errors.

    Raises:
        ConfigError: a name isn't registered, is named twice, or can't take an option.
    """
    if not steps:
        from congruence.metrics import METRICS

        raise ConfigError(f"measures is empty: name at least one of {', '.join(METRICS.names())}")
    measures = []
    for step in steps:
        measures.append(_measure(step))
        if measures[-1].label in [measure.label for measure in measures[:-1]]:
            raise ConfigError(f"measures{of} names {measures[-1].label!r} twice: leave one out")
    return measures


def _measure(step: Any) -> "Measure":
    """One measure: of the table, a function of a file, or a function of a Python call."""
    from congruence.metrics import METRICS
    from congruence.metrics.own import measure_in_file, own_measure

    if isinstance(step, MeasureFile):
        return measure_in_file(Path(step.file), step.name, step.options)
    if isinstance(step, Given):
        return own_measure(step.value)
    name, options = parse_step(step, kind="measure")
    return METRICS.get(name).bind(**options)


def functions_of(config: RunConfig) -> dict[str, Any]:
    """What `function` asks for, by name, with its options bound.

    Stitching and substitution bring transfer with its defaults where it isn't named: they use its maps.

    Raises:
        ConfigError: one isn't known, is named twice, or an option is wrong.
    """
    if not config.function:
        return {}
    from congruence.transfer import make_function

    steps = [parse_step(step, kind="function") for step in config.function]
    _named_once("function", [name for name, _ in steps])
    found = {name: make_function(name, **options) for name, options in steps}
    if found.keys() & {"stitching", "substitution"}:
        found = {"transfer": make_function("transfer"), **found}
    return found


def null_of(config: RunConfig) -> "Null":
    """The null of the whole space, with its options.

    Raises:
        ConfigError: it isn't registered, has no such option, or needs what a run can't give.
    """
    from congruence.nulls import NULLS, make_null

    kind = config.null.kind
    if beyond := [fact for fact in NULLS.get(kind).needs if fact not in FACTS_OF_A_RUN]:
        able = [name for name in NULLS if FACTS_OF_A_RUN.issuperset(NULLS.get(name).needs)]
        raise ConfigError(
            f"null {kind!r} can't be run from a configuration (it needs {beyond[0]}): use one of "
            f"{', '.join(able)}, or call congruence.significance.permutation_test"
        )
    return make_null(kind, **config.null.options)


def check_names(config: RunConfig) -> None:
    """Refuse unknown names and options before anything is computed."""
    from congruence.matching import check_options as check_matcher

    for name, section in (("pairing", config.pairing), ("null", config.null)):
        _no_misspelt_key(name, section)
    measures_of(config.measures)
    if config.concepts:
        measures_of(config.concepts.measures, of=" of concepts")
    filter_steps(config)
    check_matcher(config.pairing.method, config.pairing.options)
    null_of(config)
    functions_of(config)
    check_crosscoder(config)
    check_decoder_pairing(config)


def check_crosscoder(config: RunConfig) -> None:
    """Refuse what can't be done with features that are given as pairs, before anything is opened.

    Raises:
        ConfigError: in one line.
    """
    sides = {"a": config.a, "b": config.b}
    if config.pairing.method != "crosscoder":
        for name, side in sides.items():
            if side.features == "crosscoder":
                raise ConfigError(
                    f"{name}.features is crosscoder: set pairing: {{method: crosscoder, path: …}}"
                )
        return
    if not config.pairing.options.get("path"):
        raise ConfigError("pairing.path is missing: name the folder or Hub id of the crosscoder")
    for what, asked, remedy in (
        *_of_other_text(config),
        ("controls", config.controls, "no control is made of a crosscoder: leave them out"),
        ("function", config.function, "maps are judged by each model's own SAEs: leave it out"),
        ("concepts", config.concepts, "concepts aren't compared through a crosscoder: leave them out"),
    ):
        if asked:
            raise ConfigError(f"{what} can't go with pairing by a crosscoder: {remedy}")
    for name, side in sides.items():
        for key, default in (("hook_offset", 0), ("activations", "encode"), ("fold_decoder_norm", False),
                             ("saes", None), ("other_seed", None), ("frozen_decoder", None),
                             ("features", "crosscoder")):  # fmt: skip
            if getattr(side, key) != default:
                raise ConfigError(
                    f"{name}.{key} can't go with pairing by a crosscoder: its features are encoded from both "
                    "models as it was trained; leave it out"
                )


def check_decoder_pairing(config: RunConfig) -> None:
    """Refuse what draws features or text and pairs anew where pairs aren't found on any text.

    Raises:
        ConfigError: in one line.
    """
    if config.pairing.method != "decoder_cosine":
        return
    neurons = [side for side in (config.a, config.b) if side.features != "sae"]
    for what, asked, remedy in (
        *_of_other_text(config),
        ("features: neurons", neurons, "they have no decoder"),
    ):
        if asked:
            raise ConfigError(f"{what} can't go with pairing by decoder rows: {remedy}")


def _of_other_text(config: RunConfig) -> list[tuple[str, Any, str]]:
    """What pairs again, on other text or in other features: its name, whether it is asked for, the remedy."""
    from congruence.nulls import NULLS

    pairing, interval = config.pairing, config.interval
    draws_again = {"pair_inside", "pair_shifted"} & set(NULLS.get(config.null.kind).needs)
    return [
        (f"null {config.null.kind!r}", draws_again, "it draws features or text and pairs anew: use pairing"),
        ("pairing.split", pairing.split, "its pairs aren't found on any text: leave it out"),
        ("pairing.null_draws", pairing.null_draws, "its pairs aren't found on any text: leave it out"),
        ("interval by documents", interval and interval.by == "documents", "use by: pairs"),
    ]


def _no_misspelt_key(name: str, section: PairingConfig | NullConfig) -> None:
    """Refuse what is nearly a key of a section that takes further options, as the misspelling it is."""
    keys = [field.alias or key for key, field in type(section).model_fields.items()]
    for key in section.options:
        if difflib.get_close_matches(key, keys, n=1, cutoff=0.7):
            raise ConfigError(f"{unknown_name('key', key, keys)} in {name}")
