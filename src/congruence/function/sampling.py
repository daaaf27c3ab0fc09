"""Which pairs are tested: a stratified sample, and a hard negative beside each."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from congruence.rng import derive

BY_R, BY_FIRING = 4, 3
"""Strata of r, and of firing rate within each."""
RATE = 2.0
"""A hard negative fires at most so many times as often, or as rarely, as the partner."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Pairs drawn from all.

    Attributes:
        index: (k,) which of the pairs, by rising number.
        stratum: (k,) "r1 f1" (least alike, rarest) to "r4 f3".
        weight: (k,) pairs of the stratum for each that was drawn.
    """

    index: Int[np.ndarray, " k"]
    stratum: list[str]
    weight: Float[np.ndarray, " k"]


def stratified(
    r: Float[np.ndarray, " p"], firings: Int[np.ndarray, " p"], most: int, *, seed: int = 0
) -> Sample:
    """As many pairs of each stratum as there are, up to an equal share of `most`.

    Args:
        r: similarity of each pair.
        firings: how often its feature of b fires.
        most: pairs to draw.
        seed: of the draw.

    Source: stratified by activity as in TMLR submission 7897; by r as well so that each matcher's curve of
    quality over coverage can be told.
    """
    by_r = BY_R if most >= 2 * BY_R else 1  # so that every stratum has some
    by_firing = BY_FIRING if most >= 2 * BY_R * BY_FIRING else 1
    rng, of_r = derive(seed, "stratified"), _quantile_bins(r, by_r)
    strata: list[tuple[str, np.ndarray]] = []
    for number in range(by_r):
        inside = np.flatnonzero(of_r == number)
        of_f = _quantile_bins(firings[inside].astype(float), by_firing)
        strata += [(f"r{number + 1} f{f + 1}", inside[of_f == f]) for f in range(by_firing)]
    strata = sorted(((name, rows) for name, rows in strata if len(rows)), key=lambda one: len(one[1]))
    left, drawn = most, []
    for done, (name, rows) in enumerate(strata):
        count = min(len(rows), left // (len(strata) - done))
        left -= count
        chosen = rng.permutation(rows)[:count]
        drawn += [(int(one), name, len(rows) / count) for one in chosen]
    drawn.sort()
    return Sample(
        np.array([one[0] for one in drawn], dtype=np.int64),
        [one[1] for one in drawn],
        np.array([one[2] for one in drawn], dtype=np.float64),
    )


def hard_negatives(
    features_a: Int[np.ndarray, " k"],
    features_b: Int[np.ndarray, " k"],
    *,
    partners: dict[int, set[int]],
    firings_b: Int[np.ndarray, " f"],
    top_a: Int[np.ndarray, "g t"],
    top_b: Int[np.ndarray, "f t"],
    seed: int = 0,
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """For each pair a feature of b that could be taken for the partner and isn't.

    It fires at a rate within a factor of two of the partner's, and shares as many top tokens with the feature
    of a as any such feature does; ties are broken at random. Where none fires at that rate, the nearest rate.

    Args:
        features_a, features_b: of the pairs.
        partners: feature of a -> all features of b that it was matched with.
        firings_b: of each feature of b on the text that is looked at; 0: it can't be taken.
        top_a, top_b: codes of top tokens; −1 for none.
        seed: of the ties.

    Returns:
        The features of b, −1 where there is none, and how many top tokens each shares.
    """
    rng = derive(seed, "hard_negatives")
    live = np.flatnonzero(firings_b)
    chosen, overlaps = np.full(len(features_a), -1), np.zeros(len(features_a), dtype=np.int64)
    for number, (a, b) in enumerate(zip(features_a.tolist(), features_b.tolist(), strict=True)):
        free = live[~np.isin(live, [*partners.get(a, ()), b])]
        if not len(free):
            continue
        apart = np.abs(np.log(firings_b[free] / max(firings_b[b], 1)))
        near = free[apart <= max(np.log(RATE), apart.min()) + 1e-12]
        codes = top_a[a][top_a[a] >= 0]
        shared = np.isin(top_b[near], codes).sum(axis=1)
        best = near[shared == shared.max()]
        chosen[number], overlaps[number] = rng.choice(best), shared.max()
    return chosen, overlaps


def _quantile_bins(values: np.ndarray, bins: int) -> np.ndarray:
    """(n,) bin of each value by its rank: as many in each as can be."""
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks * bins // max(len(values), 1)
