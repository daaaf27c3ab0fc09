"""Nulls whose draws are other rows altogether: a model or an SAE is made anew, captured and paired."""

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from congruence.errors import InputError
from congruence.nulls.base import Case, Null, RowPairs, null
from congruence.rng import derive


class Rerun(Null, ABC):
    """One pair of matrices for each draw, as `rerun` of the case makes them."""

    needs = ("rerun",)

    def draw(self, case: Case, numbers: range) -> RowPairs:
        """Paired rows of each draw.

        Raises:
            InputError: a sequence shorter than the number of draws.
        """
        rerun: Callable[..., Any] | Sequence[Any] = case.rerun
        if callable(rerun):
            return [tuple(rerun(derive(case.seed, "rerun", d))) for d in numbers]
        return _given(rerun, numbers)


@null
@dataclass(frozen=True)
class RandomModel(Rerun):
    """Pairs found with a re-randomised model in place of one side."""

    name = "random_model"
    title = "random weights"
    hypothesis = "a model of random weights, captured and paired in the same way, scores as high"
    in_words = "with a model of random weights in place of one side"


@null
@dataclass(frozen=True)
class OtherSeed(Rerun):
    """Pairs found with other seeds' SAEs: a ceiling more than a null."""

    name = "other_seed"
    title = "SAEs of other seeds"
    hypothesis = "another SAE of the same model, paired in the same way, scores as high (a ceiling)"
    in_words = "with SAEs of other seeds of the same model"


def _given(rerun: Sequence[Any], numbers: range) -> RowPairs:
    if len(rerun) < numbers.stop:
        raise InputError(f"rerun holds {len(rerun)} pairs of matrices: use draws={len(rerun)}, or pass more")
    return [(rerun[d][0], rerun[d][1]) for d in numbers]
