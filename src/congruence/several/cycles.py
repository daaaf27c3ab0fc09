"""Do features come home? From A along links to B, to C and back to A: the same feature, or another?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from congruence.several.links import Links

STRATA, LINKS_A_STRATUM = 10, 8
_TERMS = 30
"""A random permutation keeps more than this many places with probability below 1e-30."""
_SMALLEST_P = 1e-15
"""What is left of the alternating sums below this is rounding."""


@dataclass(frozen=True)
class Cycle:
    """How many features of A come home.

    Attributes:
        followed: features of A that links lead to B, from there to C, and from there to A again.
        home: those of them at which they arrive themselves.
        chance: mean number of them under the null.
        p: probability of `home` or more under the null; not below 1e-15.
    """

    followed: int
    home: int
    chance: float
    p: float

    @property
    def share(self) -> float:
        """Of those followed, the share that come home; NaN where none was."""
        return self.home / self.followed if self.followed else float("nan")

    @property
    def chance_share(self) -> float:
        """The share that chance brings home."""
        return self.chance / self.followed if self.followed else float("nan")


def come_home(ab: Links, bc: Links, ca: Links) -> Cycle:
    """Follow every feature of A through B and C back to A.

    Null: the last step leads to the right firing rate and tells nothing more. The features of A at its ends
    are dealt out anew among its links, within up to ten strata of their firing rates with eight links at
    least. As links are one-to-one, the number that comes home is a number of fixed points of random
    permutations, whose distribution is known: mean and p are exact and nothing is drawn.

    Args:
        ab, bc, ca: links of A with B, B with C and C with A, each one-to-one: between two layers, or
            `Links.best`.

    Source: ours; cycle consistency as a check of correspondences is that of Zhou et al. 2015 (FlowWeb), the
    distribution that of the matching problem (Riordan 1958, chapter 7).
    """
    second = _places(ab.node_y, bc.node_x)
    third = np.where(second >= 0, _places(bc.node_y[second], ca.node_x), -1) if len(bc) else second
    followed = np.flatnonzero(third >= 0)
    start, last = ab.node_x[followed], third[followed]
    home = int((ca.node_y[last] == start).sum())
    strata = _strata(ca.firings_y)
    own = _places(start, ca.node_y)  # the link that would bring it home
    able = (own >= 0) & (strata[own] == strata[last]) if len(ca) else np.zeros(0, bool)
    sizes = np.bincount(strata)
    possible = np.bincount(strata[last[able]], minlength=len(sizes))
    chances = np.ones(1)
    for places, size in zip(possible, sizes, strict=True):
        chances = np.convolve(chances, fixed_points(int(places), int(size)))
    beyond = float(chances[home:].sum()) if home < len(chances) else 0.0
    mean = float((possible / np.maximum(sizes, 1)).sum())
    p = float(np.clip(beyond, _SMALLEST_P, 1.0)) if len(followed) else float("nan")
    return Cycle(len(followed), home, mean, p)


def fixed_points(places: int, size: int) -> Float[np.ndarray, " j"]:
    """Probabilities that j = 0, 1, … of `places` named places of a random permutation are fixed.

    P(j) = Σ_{i ≥ j} (−1)^(i−j) C(i, j) · C(places, i) · (size − i)! / size!, by inclusion and exclusion.

    >>> fixed_points(3, 3).round(6).tolist()
    [0.333333, 0.5, 0.0, 0.166667]
    """
    from scipy.special import gammaln

    i = np.arange(min(places, _TERMS) + 1)
    sums = gammaln(places + 1) - gammaln(places - i + 1) - gammaln(i + 1)
    sums = np.exp(sums + gammaln(size - i + 1) - gammaln(size + 1))
    rows, columns = np.meshgrid(i, i, indexing="ij")  # j down, i across
    choose = np.exp(gammaln(columns + 1) - gammaln(rows + 1) - gammaln(np.maximum(columns - rows, 0) + 1))
    signed = np.where(columns >= rows, choose * (-1.0) ** (columns - rows), 0.0)
    return np.clip(signed @ sums, 0.0, 1.0)


def _places(wanted: Int[np.ndarray, " n"], known: Int[np.ndarray, " m"]) -> Int[np.ndarray, " n"]:
    """Where each number stands among distinct ones; -1 where it doesn't."""
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(known, kind="stable")
    at = order[np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)]
    return np.where(known[at] == wanted, at, -1)


def _strata(firings: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Which stratum of the firing rates each is in; equal rates are in one."""
    count = int(np.clip(len(firings) // LINKS_A_STRATUM, 1, STRATA))
    if count == 1:
        return np.zeros(len(firings), np.int64)
    edges = np.quantile(firings, np.arange(1, count) / count)
    return np.searchsorted(edges, firings, side="right").astype(np.int64)
