"""Nulls whose draws are other pairs altogether: something is drawn anew and the pairing is run again."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.nulls.registry import Setting, null
from congruence.rng import derive

Rerun = Callable[[np.random.Generator], tuple[ArrayLike, ArrayLike]]
"""``rerun(rng) -> (x, y)``: paired rows of one draw, made from that draw's own generator."""


@null(
    "random_model",
    hypothesis="a model of random weights, captured and paired in the same way, scores as high",
    needs=("rerun",),
)
def random_model(setting: Setting, numbers: range, *, rerun: Any) -> Float[np.ndarray, " m"]:
    """Scores of pairs found with a re-randomised model in place of one side, as `rerun` gives them."""
    return rerun_scores(setting, numbers, rerun)


@null(
    "other_seed",
    hypothesis="another SAE of the same model, paired in the same way, scores as high (a ceiling)",
    needs=("rerun",),
)
def other_seed(setting: Setting, numbers: range, *, rerun: Any) -> Float[np.ndarray, " m"]:
    """Scores of pairs found with other seeds' SAEs, as `rerun` gives them."""
    return rerun_scores(setting, numbers, rerun)


def rerun_scores(setting: Setting, numbers: range, rerun: Rerun | Sequence[Any]) -> Float[np.ndarray, " m"]:
    """One score for each draw, of the pairs that `rerun` makes.

    Args:
        setting: the measure and the seed.
        numbers: which draws.
        rerun: a function of a generator, or a sequence of (x, y), one a draw.

    Raises:
        InputError: a sequence shorter than the number of draws.
    """
    if callable(rerun):
        return np.array([setting.scorer.score(*rerun(derive(setting.seed, "rerun", d))) for d in numbers])
    if len(rerun) < numbers.stop:
        raise InputError(f"rerun holds {len(rerun)} pairs of matrices: use draws={len(rerun)}, or pass more")
    return np.array([setting.scorer.score(*rerun[d]) for d in numbers])
