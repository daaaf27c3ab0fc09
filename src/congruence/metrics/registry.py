"""The table of measures: each is a function of two paired matrices, with its laws and a fast re-pairing."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.records import Score
from congruence.registry import Registry


@dataclass(frozen=True)
class Laws:
    """What a measure does and doesn't depend on; the law tests hold every measure to its own.

    Attributes:
        symmetric: swapping x and y leaves the value.
        translation: adding one vector to all rows of a side leaves it.
        scale: multiplying a side by a positive number leaves it.
        orthogonal: rotating or reflecting the axes of a side leaves it.
        linear: any invertible linear map of a side's axes leaves it.
        row_order: reordering the rows of both sides alike leaves it (a random split depends on it).
        self_is_one: a side compared with itself gives 1.
        pairing: the value depends on which row is paired with which, so a re-pairing null means something.
        same_width: both sides need as many columns, with the same meaning.
    """

    symmetric: bool = True
    translation: bool = True
    scale: bool = True
    orthogonal: bool = True
    linear: bool = False
    row_order: bool = True
    self_is_one: bool = True
    pairing: bool = True
    same_width: bool = False


@runtime_checkable
class Prepared(Protocol):
    """One pair of matrices, decomposed once, that can be scored under any re-pairing of its rows.

    Attributes:
        n: number of paired rows.
        resolution: two scores nearer than this are a tie (the rounding of the draws).
    """

    @property
    def n(self) -> int: ...

    @property
    def resolution(self) -> float: ...

    def observed(self) -> Score:
        """The score of the rows as they are paired."""
        ...

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The score with row i of x paired with row ``permutations[d, i]`` of y, for each draw d."""
        ...


@dataclass(frozen=True)
class Metric:
    """One registered measure.

    Attributes:
        name: its public name, and that of its function in `congruence.metrics`.
        function: ``function(x, y, **options) -> Score``.
        prepare: ``prepare(x, y, **options) -> Prepared``: decompose once, then draw.
        laws: what the value doesn't depend on.
        range: smallest and largest value (infinite where there is no bound).
    """

    name: str
    function: Callable[..., Score]
    prepare: Callable[..., Prepared]
    laws: Laws
    range: tuple[float, float]

    def __call__(self, x: ArrayLike, y: ArrayLike, **options: Any) -> Score:
        return self.function(x, y, **options)

    @property
    def invariances(self) -> tuple[str, ...]:
        """The names of the laws that hold."""
        return tuple(name for name, holds in asdict(self.laws).items() if holds)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


METRICS: Registry[Metric] = Registry("measure", "metrics")


def metric(
    *, prepare: Callable[..., Prepared], laws: Laws, range: tuple[float, float]
) -> Callable[[Callable[..., Score]], Callable[..., Score]]:
    """Register the decorated function under its own name."""

    def register(function: Callable[..., Score]) -> Callable[..., Score]:
        name = function.__name__
        METRICS.add(name, Metric(name, function, prepare, laws, range))
        return function

    return register
