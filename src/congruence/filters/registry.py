"""The table of filters, and running a list of them in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.errors import ConfigError
from congruence.filters.pairs import Pairs
from congruence.registry import Registry

Filter = Callable[..., np.ndarray]
"""(pairs, **options) -> keep: a boolean mask (p,)."""

FILTERS: Registry[Filter] = Registry("filter", "filters")


@dataclass(frozen=True)
class FilterStep:
    """A registered filter by name, with its options."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Filtered:
    """What a list of filters left, and what each took.

    Attributes:
        pairs: those kept.
        removed_by: (p,) name of the step that removed each of the original pairs; "" where kept.
        removed: {step name: number of pairs it removed}, in order; a step that took nothing says 0.
    """

    pairs: Pairs
    removed_by: np.ndarray
    removed: Mapping[str, int]


def apply_filters(pairs: Pairs, steps: Sequence[FilterStep]) -> Filtered:
    """Run the steps in order; each sees only what the ones before it left.

    Raises:
        ConfigError: a name isn't registered or an option isn't the filter's.
    """
    removed_by = np.full(len(pairs.matching), "", dtype=object)
    remaining = np.arange(len(pairs.matching))
    removed: dict[str, int] = {}
    for step in steps:
        keep = _keep(step, pairs)
        removed_by[remaining[~keep]] = step.name
        removed[step.name] = removed.get(step.name, 0) + int(np.count_nonzero(~keep))
        remaining, pairs = remaining[keep], pairs.select(keep)
    return Filtered(pairs, removed_by, removed)


def _keep(step: FilterStep, pairs: Pairs) -> np.ndarray:
    function = FILTERS.get(step.name)
    try:
        keep = function(pairs, **step.options)
    except TypeError as error:
        raise ConfigError(f"filter {step.name!r} can't take {dict(step.options)!r}: {error}") from error
    return np.asarray(keep, dtype=bool)
