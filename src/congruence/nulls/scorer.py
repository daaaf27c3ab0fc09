"""A measure with its options bound: a registered name brings its fast re-pairing, a callable a plain one."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics import METRICS, Metric, Prepared
from congruence.metrics.inputs import paired
from congruence.records import Score

CALLABLE_RESOLUTION = 1e-12


@dataclass(frozen=True)
class Scorer:
    """How pairs are scored: `prepare` for many re-pairings of one pair of matrices, `score` for one value."""

    name: str
    prepare: Callable[[ArrayLike, ArrayLike], Prepared]
    pairing: bool = True

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """The value for the rows as they are paired."""
        return float(self.prepare(x, y).observed())


@dataclass(frozen=True)
class DirectlyPrepared:
    """A callable measure: every draw calls it again."""

    function: Callable[..., Any]
    x: np.ndarray
    y: np.ndarray
    options: Mapping[str, Any] = field(default_factory=dict)
    resolution: float = CALLABLE_RESOLUTION

    @property
    def n(self) -> int:
        return len(self.x)

    def observed(self) -> Score:
        """What the callable gives, as a record."""
        value = self.function(self.x, self.y, **self.options)
        return value if isinstance(value, Score) else Score("callable", float(value), self.n)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The callable on each re-pairing."""
        return np.array([float(self.function(self.x, self.y[p], **self.options)) for p in permutations])


def scorer_for(metric: str | Callable[..., Any], options: Mapping[str, Any]) -> Scorer:
    """The scorer of a registered name, a registered function, or any callable ``f(x, y, **options)``.

    Raises:
        ConfigError: the name isn't registered.
        InputError: `metric` is neither a name nor callable, or doesn't take one of the options.
    """
    name = metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", ""))
    if isinstance(metric, str) or (name in METRICS and _is_registered(metric, name)):
        entry = METRICS.get(name)
        _check_options(entry, options)
        return Scorer(entry.name, lambda x, y: entry.prepare(x, y, **options), entry.laws.pairing)
    if not callable(metric):
        raise InputError(f"metric={metric!r}: pass a registered name or a function of x and y")
    return Scorer("callable", lambda x, y: DirectlyPrepared(metric, *paired(x, y), options))


def _check_options(entry: Metric, options: Mapping[str, Any]) -> None:
    takes = inspect.signature(entry.function).parameters.values()
    known = [option.name for option in takes if option.kind is option.KEYWORD_ONLY]
    unknown = [name for name in options if name not in known]
    if unknown and not any(option.kind is option.VAR_KEYWORD for option in takes):
        raise InputError(
            f"{unknown[0]}={options[unknown[0]]!r} is an option neither of {entry.name} (which takes "
            f"{', '.join(known) or 'none'}) nor of this null: leave it out, or name the null it belongs to"
        )


def _is_registered(metric: Any, name: str) -> bool:
    entry = METRICS.get(name)
    return metric is entry or metric is entry.function
