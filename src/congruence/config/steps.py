"""Steps written in a configuration as a name, {name: value} or {name: {option: value}}."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from congruence.config.run import PairingConfig, RunConfig
from congruence.errors import ConfigError, unknown_name
from congruence.filters import FILTERS, FilterStep

TOKEN_FILTERS = ("non_concept", "shared_token")


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
    for step in steps:
        check_options(FILTERS.get(step.name), step.options, f"filter {step.name!r}")
    if config.pairing.keep and all(step.name != "one_to_one" for step in steps):
        place = 1 + max((i for i, step in enumerate(steps) if step.name in TOKEN_FILTERS), default=-1)
        steps.insert(place, FilterStep("one_to_one", {"keep": config.pairing.keep}))
    return steps


def measure_steps(config: RunConfig) -> list[tuple[str, dict[str, Any]]]:
    """The measures of a run with their options; every name is on the table.

    Raises:
        ConfigError: a name isn't registered, is named twice, or can't take an option.
    """
    from congruence.metrics import METRICS

    if not config.measures:
        raise ConfigError(f"measures is empty: name at least one of {', '.join(METRICS.names())}")
    steps = [parse_step(step, kind="measure") for step in config.measures]
    for name, options in steps:
        check_options(METRICS.get(name).function, options, f"measure {name!r}")
    return steps


def measure_label(name: str, options: Mapping[str, Any]) -> str:
    """How a measure is called in the results: with its options where they aren't the default.

    >>> measure_label("svcca", {"variance": 0.9})
    'svcca(variance=0.9)'
    """
    return name + (f"({', '.join(f'{k}={v}' for k, v in options.items())})" if options else "")


def check_names(config: RunConfig) -> None:
    """Refuse unknown names before anything is computed."""
    from congruence.matching import MATCHERS
    from congruence.run.null_inputs import check_null
    from congruence.significance import NULLS

    measure_steps(config)
    filter_steps(config)
    _known("pairing method", config.pairing.method, MATCHERS.names())
    _known("null", config.null.kind, NULLS.names())
    check_null(config)


def _known(kind: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ConfigError(unknown_name(kind, name, names))


def check_options(function: Callable[..., Any], options: Mapping[str, Any], what: str) -> None:
    """Refuse an option that the function doesn't take, naming the nearest one that it does."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            if not known:
                raise ConfigError(f"{what} takes no options: remove {option!r}")
            raise ConfigError(f"{what}: {unknown_name('option', option, known)}")


def resolved_pairing(pairing: PairingConfig) -> tuple[str, dict[str, Any]]:
    """The matcher to call and its options: one_to_one is many_to_one with the 1-to-1 filter after it."""
    method = "many_to_one" if pairing.method == "one_to_one" else pairing.method
    return method, {"from_": pairing.from_} if method == "many_to_one" else {}
