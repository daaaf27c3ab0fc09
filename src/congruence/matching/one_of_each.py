"""One pair of each feature: the rule by which any list of pairs becomes 1-to-1."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from congruence.errors import ConfigError, InputError, quoted

KEEP = ("best", "first")


def one_of_each(
    feature_a: Int[np.ndarray, " p"],
    feature_b: Int[np.ndarray, " p"],
    r: Float[np.ndarray, " p"],
    *,
    keep: str = "best",
) -> Bool[np.ndarray, " p"]:
    """Which pairs stay where each feature of either side may stand in one only.

    Pairs are looked at one after another; a pair stays if neither of its features stands in one that stayed.

    Args:
        feature_a, feature_b: (p,) features of each pair.
        r: (p,) similarity of each pair.
        keep: ``best`` looks at the pairs of highest r first, ties in the order given, NaN last; ``first`` in
            the order given, which is what the code of Lan et al. 2024 does (appendix F, filter 3).

    Returns:
        (p,) mask of the pairs that stay.

    Raises:
        ConfigError: `keep` is neither.

    >>> one_of_each(np.array([0, 0, 1]), np.array([5, 6, 6]), np.array([0.1, 0.3, 0.2]))
    array([False,  True, False])
    """
    check_keep(keep)
    a, b, r = _features("feature_a", feature_a), _features("feature_b", feature_b), np.asarray(r)
    if not len(a) == len(b) == len(r):
        raise InputError(
            f"{len(a)} and {len(b)} features with {len(r)} similarities aren't pairs: give as many"
        )
    order = np.argsort(-r, kind="stable") if keep == "best" else np.arange(len(r))
    free_a = np.ones(int(a.max(initial=-1)) + 1, np.bool_)
    free_b = np.ones(int(b.max(initial=-1)) + 1, np.bool_)
    kept = np.zeros(len(a), dtype=bool)
    kept[order[: take_free(order, a, b, free_a, free_b)]] = True
    return kept


def _features(name: str, given: Any) -> np.ndarray:
    """Numbers of features, such as the kernel can look up."""
    found = np.asarray(given)
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu") or found.min(initial=0) < 0:
        raise InputError(f"{name} isn't a list of features: give whole numbers from 0")
    if found.max(initial=0) >= 2**31:
        raise InputError(f"{name} names feature {found.max()}: give numbers below 2**31")
    return found.astype(np.int64)


def check_keep(keep: Any) -> None:
    """Refuse another rule than ``best`` or ``first``.

    Raises:
        ConfigError: it is neither.
    """
    if keep not in KEEP:
        raise ConfigError(f"keep is {quoted(keep)}: give 'best' or 'first'")


@njit(nogil=True, cache=True)
def take_free(order, feature_a, feature_b, free_a, free_b):
    """Of the pairs in `order`, those whose features are both free when their turn comes.

    `order` holds the places of the pairs taken at its beginning afterwards; their features are marked.

    Returns:
        How many were taken.
    """
    taken = 0
    for i in range(len(order)):
        pair = order[i]
        a, b = feature_a[pair], feature_b[pair]
        if free_a[a] and free_b[b]:
            free_a[a] = free_b[b] = False
            order[taken] = pair
            taken += 1
    return taken
