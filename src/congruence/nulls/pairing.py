"""Nulls that keep the features and draw who is paired with whom."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.inputs import whole_number
from congruence.nulls.base import Case, Null, null
from congruence.nulls.permutations import permutations_for
from congruence.options import at_least
from congruence.rng import derive_seed

STRATA = 10


@null
@dataclass(frozen=True)
class Pairing(Null):
    """Uniformly random re-pairings of all rows (the papers' Test 1)."""

    name = "pairing"
    title = "pairs shuffled"
    hypothesis = "every pairing of these features is equally likely"
    in_words = "with the pairs shuffled"
    repairs = True

    def draw(self, case: Case, numbers: range) -> Int[np.ndarray, "m n"]:
        """Permutations of the pairs' second features."""
        return permutations_for(case.seed, numbers, case.n)


@null
@dataclass(frozen=True)
class FiringRate(Null):
    """Re-pairings within strata of the firing rate of the B feature. Ours."""

    strata: Annotated[int, at_least(1)] | None = None
    """Groups of equal size, from the rarest to the most frequent; default: ten, of two rows or more."""

    name = "firing_rate"
    title = "pairs shuffled within firing rates"
    hypothesis = "every pairing that keeps how often the partner fires is equally likely"
    in_words = "with the pairs shuffled among features of similar firing rate"
    needs = ("rates",)
    repairs = True

    def draw(self, case: Case, numbers: range) -> Int[np.ndarray, "m n"]:
        """Permutations that move rows within their stratum alone."""
        strata = max(1, min(STRATA, case.n // 2)) if self.strata is None else self.strata
        groups = strata_of(case.rates, case.n, strata)  # pyright: ignore[reportArgumentType]
        return within(groups, case.seed, numbers)


def strata_of(rates: ArrayLike, n: int, strata: int) -> list[Int[np.ndarray, " _"]]:
    """The rows of each stratum, by rising rate; sizes differ by at most one.

    Raises:
        InputError: not one finite rate a row, or strata so many that a row would have no one to change with.
    """
    values = np.asarray(rates, dtype=float)
    if values.shape != (n,) or not np.isfinite(values).all():
        raise InputError(
            f"rates has shape {values.shape}: pass one finite firing rate for each of the {n} pairs"
        )
    count = whole_number("strata", strata, low=1, high=n // 2, remedy=f"2 or more of the {n} pairs in each")
    return np.array_split(np.argsort(values, kind="stable"), count)


def within(groups: list[Int[np.ndarray, " _"]], seed: int, numbers: range) -> Int[np.ndarray, "m n"]:
    """Permutations that move rows within their group alone, uniform over all such."""
    out = np.empty((len(numbers), sum(map(len, groups))), dtype=np.int64)
    for number, rows in enumerate(groups):
        out[:, rows] = rows[permutations_for(derive_seed(seed, "stratum", number), numbers, len(rows))]
    return out
