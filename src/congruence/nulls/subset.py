"""Null `subset`: are these features special, or would any as many do? (the papers' Test 2)"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.inputs import whole_number
from congruence.nulls.registry import Setting, null
from congruence.nulls.rerun import rerun_scores

ATTEMPTS = 100

Rematch = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""``rematch(features_a, features_b) -> (features_a, features_b)``: the run's matcher inside two subsets."""


@null(
    "subset",
    hypothesis="random features, as many and paired inside by the same matcher, score as high",
    needs=("spaces", "sizes", "rematch"),
    takes=("pools", "min_pairs"),
)
def subset(
    setting: Setting,
    numbers: range,
    *,
    spaces: tuple[ArrayLike, ArrayLike],
    sizes: tuple[int, int],
    rematch: Rematch,
    pools: tuple[Any, Any] = (None, None),
    min_pairs: int = 3,
) -> Float[np.ndarray, " m"]:
    """Scores of random subsets of both sides' features, re-paired inside.

    Args:
        setting: the measure and the seed.
        numbers: which draws.
        spaces: (f, d_a) and (g, d_b) decoder rows of all features.
        sizes: features to draw on each side: as many as the tested subsets held before pairing.
        rematch: pairs two subsets: feature numbers in, paired feature numbers out.
        pools: feature numbers to draw from on each side; all, where None.
        min_pairs: draw again where fewer pairs than this come out.
    """
    rows_a, rows_b = (np.asarray(space) for space in spaces)
    pool_a, pool_b = _pool(pools[0], rows_a, sizes[0], "a"), _pool(pools[1], rows_b, sizes[1], "b")

    def rerun(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        for _ in range(ATTEMPTS):
            drawn_a = np.sort(rng.choice(pool_a, sizes[0], replace=False))
            drawn_b = np.sort(rng.choice(pool_b, sizes[1], replace=False))
            paired_a, paired_b = rematch(drawn_a, drawn_b)
            if len(paired_a) >= min_pairs:
                return rows_a[paired_a], rows_b[paired_b]
        raise InputError(
            f"{ATTEMPTS} random subsets of {sizes[0]} and {sizes[1]} features gave fewer than {min_pairs} "
            f"pairs each: use larger subsets"
        )

    return rerun_scores(setting, numbers, rerun)


def _pool(pool: Any, rows: Float[np.ndarray, "f d"], size: int, side: str) -> Int[np.ndarray, " pool"]:
    members = np.arange(len(rows)) if pool is None else np.asarray(pool, dtype=np.int64)
    whole_number(f"sizes (side {side})", size, low=1, high=len(members), remedy="the features to draw from")
    return members
