"""Random sets of features, all of one size: what the null `subset` and `size_matched` draw."""

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.concepts.ragged import Ragged


def random_sets(pool: Int[np.ndarray, " w"], size: int, draws: int, rng: np.random.Generator) -> Ragged:
    """`draws` sets of `size` distinct entries of `pool`, every set equally likely; at most all of them."""
    size = min(size, len(pool))
    chosen = _partial_shuffles(np.array(pool, dtype=np.int64), rng.random((draws, size)))
    return Ragged(chosen.ravel(), np.arange(draws + 1, dtype=np.int64) * size)


@numba.njit(nogil=True, cache=True)
def _partial_shuffles(pool: Int[np.ndarray, " w"], uniform: Float[np.ndarray, "m s"]):
    """The first s places of a Fisher-Yates shuffle for every draw; one draw goes on from the last."""
    draws, size = uniform.shape
    out = np.empty((draws, size), dtype=np.int64)
    for d in range(draws):
        for i in range(size):
            other = i + int(uniform[d, i] * (len(pool) - i))
            pool[i], pool[other] = pool[other], pool[i]
            out[d, i] = pool[i]
    return out
