"""`jaccard_knn`: how alike are the sets of a row's nearest neighbours on both sides?"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.metrics.knn import PreparedNeighbours, prepare_neighbours
from congruence.metrics.registry import Laws, metric
from congruence.records import Score


def _prepare(x: ArrayLike, y: ArrayLike, *, k: int = 10, distance: str = "cosine") -> PreparedNeighbours:
    return prepare_neighbours("jaccard_knn", x, y, k=k, distance=distance, share=_share)


def _share(shared: Int[np.ndarray, " counts"], k: int) -> Float[np.ndarray, " counts"]:
    return shared / (2 * k - shared)


@metric(prepare=_prepare, laws=Laws(translation=False), range=(0.0, 1.0))
def jaccard_knn(x: ArrayLike, y: ArrayLike, *, k: int = 10, distance: str = "cosine") -> Score:
    """Mean Jaccard index of the sets of a row's k nearest neighbours on both sides.

    (1/n) Σ_i |N_k(x_i) ∩ N_k(y_i)| / |N_k(x_i) ∪ N_k(y_i)|, a row not its own neighbour.

    Invariant to isotropic scale and rotations of each side (with "euclidean" to shifts as well). Says
    little where k is not small against n.

    Args:
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        k: neighbours to compare, at most n − 2.
        distance: "cosine" or "euclidean" (the same order where rows have unit norm).

    Returns:
        Score in [0, 1]; details: k, distance, share of neighbours expected by chance.

    Raises:
        InputError: bad input, k too large, or a zero row under "cosine".

    Source: Wang et al. 2020 (Towards understanding the instability of network embedding), as surveyed by
    Klabunde et al. 2023 (arXiv 2305.06329), section 3.4.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> float(jaccard_knn(x, 2 * x))
    1.0
    """
    return _prepare(x, y, k=k, distance=distance).observed()
