"""`mutual_knn`: how many of a row's nearest neighbours are the same on both sides?"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.knn import PreparedNeighbours, prepare_neighbours
from congruence.metrics.registry import Laws, metric
from congruence.records import Score


def _prepare(x: ArrayLike, y: ArrayLike, *, k: int = 10, distance: str = "cosine") -> PreparedNeighbours:
    return prepare_neighbours("mutual_knn", x, y, k=k, distance=distance, share=_share)


def _share(shared: Int[np.ndarray, " counts"], k: int) -> Float[np.ndarray, " counts"]:
    return shared / k


@metric(prepare=_prepare, laws=Laws(translation=False), range=(0.0, 1.0))
def mutual_knn(x: ArrayLike, y: ArrayLike, *, k: int = 10, distance: str = "cosine") -> Score:
    """Mean share of a row's k nearest neighbours that are the same on both sides.

    (1/n) Σ_i |N_k(x_i) ∩ N_k(y_i)| / k, a row not its own neighbour. Chance is k / (n − 1).

    Invariant to isotropic scale and rotations of each side (with "euclidean" to shifts as well). It sees
    only near rows, so it keeps power where the global arrangement is noise, and says little where k is
    not small against n.

    Args:
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        k: neighbours to compare, at most n − 2.
        distance: "cosine" or "euclidean" (the same order where rows have unit norm).

    Returns:
        Score in [0, 1]; details: k, distance, share expected by chance.

    Raises:
        InputError: bad input, k too large, or a zero row under "cosine".

    Source: Huh et al. 2024 (arXiv 2405.07987), appendix A.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> float(mutual_knn(x, 2 * x))
    1.0
    """
    return _prepare(x, y, k=k, distance=distance).observed()
