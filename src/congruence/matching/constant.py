"""Features that never vary, paired at r = 0 as the published code pairs them."""

from dataclasses import replace
from typing import Literal

import numpy as np

from congruence.matching.pairs import Found
from congruence.records import Matching
from congruence.stats import PreparedActs


def with_constant_features(
    matching: Matching, a: PreparedActs, b: PreparedActs, *, from_: Literal["a", "b"] = "b"
) -> Matching:
    """Many-to-one pairs in which features that never vary correlate 0 with every feature.

    Each such feature of the seeking side takes the first feature of the other (of equal r the first); one
    that varies takes the first such feature of the other side where every r of its own is below 0. The code
    of Lan et al. 2024 divides by a deviation of 0 + 1e-8, which gives r = 0, and takes the largest.

    Args:
        matching: many-to-one pairs by Pearson's r, in the order of the seeking features.
        a, b: the sides they were made of.
        from_: the seeking side.

    Returns:
        Matching in the order of the seeking features, one pair for each; the margin of an added pair is NaN.
    """
    seeks, other = (a, b) if from_ == "a" else (b, a)
    seeker = matching.feature_a if from_ == "a" else matching.feature_b
    silent = np.flatnonzero(other.moments.constant)
    kept = matching.r >= 0 if len(silent) else np.ones(len(matching), dtype=bool)
    added = np.setdiff1d(np.arange(len(seeks.moments)), seeker[kept])
    first = np.where(seeks.moments.constant[added], 0, silent[0] if len(silent) else 0)
    fires = np.minimum(seeks.moments.firings[added], other.moments.firings[first])
    zeros = np.zeros(len(added))
    sought = Found(added, first, zeros, np.where(_always(seeks, added) | _always(other, first), fires, 0))
    new = sought if from_ == "a" else sought.swapped()
    order = np.argsort(np.concatenate([seeker[kept], added]), kind="stable")
    values = {
        "feature_a": new.feature_a,
        "feature_b": new.feature_b,
        "r": zeros,
        "firings_a": a.moments.firings[new.feature_a],
        "firings_b": b.moments.firings[new.feature_b],
        "cofirings": new.cofirings,
        "margin": np.full(len(added), np.nan),
        "mutual": np.zeros(len(added), dtype=bool),
    }
    joined = {
        name: np.concatenate([getattr(matching, name)[kept], part])[order] for name, part in values.items()
    }
    unmatched = {**matching.unmatched, from_: 0}
    return replace(matching, **joined, total=float(joined["r"].sum()), unmatched=unmatched)


def _always(side: PreparedActs, features: np.ndarray) -> np.ndarray:
    """Which features fire on every token."""
    return side.moments.firings[features] == side.moments.n
