"""Halves of the pairs: one to fit on, the other to score on, and re-pairing of the second alone."""

from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from jaxtyping import Float, Int, Shaped

from congruence.errors import InputError
from congruence.metrics.kernels import as_permutations, lookup_draws
from congruence.records import Score
from congruence.rng import derive

MIN_PAIRS = 6


@dataclass(frozen=True)
class Split:
    """Row indices to fit on and to score on."""

    fit: Int[np.ndarray, " f"]
    held: Int[np.ndarray, " h"]


@dataclass(frozen=True)
class HeldOutTable:
    """A held-out score as a sum of entries: offset + Σ_i table[i, i] / divisor, table (h, h)."""

    split: Split
    table: Shaped[np.ndarray, "h h"]
    offset: float = 0.0
    divisor: float = 1.0

    def observed(self) -> float:
        """The score of the held-out rows as they are paired."""
        return min(self.offset + float(np.trace(self.table)) / self.divisor, 1.0)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The score with the held-out rows re-paired among themselves; what was fitted stays."""
        sums = lookup_draws(self.table, induced(permutations, self.split.held))
        return np.minimum(self.offset + sums / self.divisor, 1.0)


@dataclass(frozen=True)
class PreparedHeldOut:
    """One table a split: a draw looks entries up, and fits nothing."""

    measure: str
    n: int
    tables: list[HeldOutTable]
    details: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    resolution: float = 1e-9

    def observed(self) -> Score:
        """Mean over splits."""
        values = [table.observed() for table in self.tables]
        details = {"splits": len(values), "split_std": float(np.std(values)), **self.details}
        return Score(self.measure, float(np.mean(values)), self.n, details, self.warnings)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The held-out half of one split re-paired in each draw, splits taking turns.

        Splits share pairs, so their observed scores move together and a mean over independently re-paired
        ones would vary too little for a null. A single split's varies at least as much as the observed
        mean: exact for one split, on the safe side for more.
        """
        permutations = as_permutations(permutations, self.n)
        turns = permutations[:, 0] % len(self.tables)
        scores = np.empty(len(permutations))
        for turn, table in enumerate(self.tables):
            scores[turns == turn] = table.repaired(permutations[turns == turn])
        return scores


def table_bytes(n: int, splits: int) -> int:
    """What the tables of so many splits hold, with one in the making."""
    return 8 * (splits + 1) * (n - n // 2) ** 2


def halves(n: int, splits: int, seed: int) -> list[Split]:
    """`splits` random halvings of n pairs, each from its own derived seed.

    Raises:
        InputError: fewer than 6 pairs.
    """
    if n < MIN_PAIRS:
        raise InputError(
            f"x and y have {n} rows: a held-out measure needs at least {MIN_PAIRS} pairs, half to fit "
            f"and half to score"
        )
    return [_halve(derive(seed, "split", number).permutation(n)) for number in range(splits)]


def _halve(order: Int[np.ndarray, " n"]) -> Split:
    middle = len(order) // 2
    return Split(fit=np.sort(order[:middle]), held=np.sort(order[middle:]))


def induced(permutations: Int[np.ndarray, "m n"], members: Int[np.ndarray, " h"]) -> Int[np.ndarray, "m h"]:
    """Each permutation cut down to `members`: follow it from a member until it is back among them.

    Uniform if the permutation is, equal to it wherever it stays inside, and made without sorting.
    """
    position = np.full(permutations.shape[1], -1, dtype=np.int64)
    position[members] = np.arange(len(members))
    return _induced(permutations, members.astype(np.int64), position)


@numba.njit(nogil=True, cache=True)
def _induced(permutations, members, position):
    out = np.empty((len(permutations), len(members)), dtype=np.int64)
    for d in range(len(permutations)):
        for k in range(len(members)):
            i = permutations[d, members[k]]
            while position[i] < 0:
                i = permutations[d, i]
            out[d, k] = position[i]
    return out
