"""Null `firing_rate`: features are re-paired only with others that fire about as often."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.inputs import whole_number
from congruence.nulls.permutations import permutations_for
from congruence.nulls.registry import Setting, null
from congruence.rng import derive_seed


@null(
    "firing_rate",
    hypothesis="every pairing that keeps how often the partner fires is equally likely",
    needs=("rates",),
    takes=("strata",),
    repairs=True,
)
def firing_rate(
    setting: Setting, numbers: range, *, rates: ArrayLike, strata: int = 10
) -> Float[np.ndarray, " m"]:
    """Scores under re-pairings of the rows of y within strata of their firing rate.

    Args:
        setting: the prepared pairs.
        numbers: which draws.
        rates: (n,) firing rate, or number of firings, of the feature in each row of y.
        strata: groups of equal size, from the rarest to the most frequent.
    """
    groups = strata_of(rates, setting.prepared.n, strata)
    return setting.prepared.repaired(within(groups, setting.seed, numbers))


def strata_of(rates: ArrayLike, n: int, strata: int) -> list[Int[np.ndarray, " g"]]:
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


def within(groups: list[Int[np.ndarray, " g"]], seed: int, numbers: range) -> Int[np.ndarray, "m n"]:
    """Permutations that move rows within their group alone, uniform over all such."""
    out = np.empty((len(numbers), sum(map(len, groups))), dtype=np.int64)
    for number, rows in enumerate(groups):
        out[:, rows] = rows[permutations_for(derive_seed(seed, "stratum", number), numbers, len(rows))]
    return out
