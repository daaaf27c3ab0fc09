"""The table of nulls: what is held fixed, what is drawn anew, and what that needs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from congruence.metrics import Prepared
from congruence.nulls.scorer import Scorer
from congruence.registry import Registry


@dataclass(frozen=True)
class Setting:
    """What a null may use to draw: the measure, and the observed pairs decomposed once."""

    scorer: Scorer
    prepared: Prepared
    seed: int


Draw = Callable[..., Float[np.ndarray, " m"]]
"""``draw(setting, range of draws, **inputs)`` -> null scores; draw d depends on the seed and d alone."""


@dataclass(frozen=True)
class Null:
    """One named null.

    Attributes:
        name: its name in results.
        hypothesis: what would be true if nothing but chance were at work, in words.
        draw: gives the null scores.
        needs: inputs, beyond x and y, that must be given.
        takes: inputs that may be given.
        repairs: its draws are re-pairings of the rows of x and y (fast).
    """

    name: str
    hypothesis: str
    draw: Draw
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    repairs: bool = False


NULLS: Registry[Null] = Registry("null", "nulls")


def null(
    name: str,
    *,
    hypothesis: str,
    needs: tuple[str, ...] = (),
    takes: tuple[str, ...] = (),
    repairs: bool = False,
) -> Callable[[Draw], Draw]:
    """Register the decorated function as the draw of a null."""

    def register(draw: Draw) -> Draw:
        NULLS.add(name, Null(name, hypothesis, draw, needs, takes, repairs))
        return draw

    return register
