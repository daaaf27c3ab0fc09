"""What the best correlation of each feature would be if the two sides had read unrelated text."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.errors import InputError
from congruence.stats.correlation import best_partners, choose_engine, prepare_pair
from congruence.stats.pair_correlations import offsets_of
from congruence.stats.prepared import rolled
from congruence.stats.scaling import check_measure
from congruence.threads import available_threads


@dataclass(frozen=True)
class BestNull:
    """Best similarities with the tokens of side A shifted against those of side B, by draw.

    Attributes:
        a_to_b: (draws, f) best similarity of each A feature; NaN where it has no partner.
        b_to_a: (draws, g) the same of each B feature.
        shifts: (draws,) tokens by which A was shifted.
        measure: similarity used.
    """

    a_to_b: np.ndarray
    b_to_a: np.ndarray
    shifts: np.ndarray
    measure: str

    def p_values(self, observed: np.ndarray, *, from_: str = "a") -> np.ndarray:
        """(1 + draws at least as great as observed) / (1 + draws) for each feature of side `from_`."""
        draws = self.a_to_b if from_ == "a" else self.b_to_a
        p = (1.0 + (draws >= observed).sum(axis=0)) / (1.0 + len(draws))
        return np.where(np.isnan(observed), np.nan, p)


def best_r_null(
    acts_a: Any,
    acts_b: Any,
    *,
    rng: np.random.Generator,
    draws: int = 20,
    document_offsets: np.ndarray | None = None,
    measure: str = "pearson",
    min_cofirings: int = 1,
) -> BestNull:
    """The null of each feature's *best* similarity: side A is shifted by whole documents, and paired again.

    At the papers' token counts the best of many chance correlations is far from 0: independent features reach
    r = 0.23 on average. A shift around the corpus keeps everything that belongs to one side (firing rates,
    values, what fires together, runs within a document) and breaks only which token meets which.

    Args:
        acts_a, acts_b, measure, min_cofirings: as for :func:`correlate`.
        rng: draws the shifts, without repetition while documents last.
        draws: number of shifts.
        document_offsets: (documents + 1,) first row of each document, and n at the end; needless where the
            activations bring their own.

    Raises:
        InputError: fewer than two documents; else as :func:`correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b)
    check_measure(measure)
    starts = np.unique(offsets_of(a, b, document_offsets))[1:-1]
    if not len(starts):
        raise InputError("one document can't be shifted against itself: give at least two")
    if draws < 1:
        raise InputError(f"draws is {draws}: give at least 1")
    rounds = [rng.permutation(starts) for _ in range(-(-draws // len(starts)))]
    shifts = np.concatenate(rounds)[:draws]
    choice = choose_engine(a, b, engine="auto", device=None, threads=available_threads())
    found = [
        best_partners(rolled(a, int(shift)), b, choice, measure=measure, top_k=1, min_cofirings=min_cofirings)
        for shift in shifts
    ]
    return BestNull(
        a_to_b=np.stack([best_a.values[:, 0] for best_a, _ in found]),
        b_to_a=np.stack([best_b.values[:, 0] for _, best_b in found]),
        shifts=shifts,
        measure=measure,
    )
