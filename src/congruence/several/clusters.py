"""Which models are alike: a tree over the matrix of their likeness."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from congruence.errors import InputError


@dataclass(frozen=True)
class Clusters:
    """Models from the most alike to the least.

    Attributes:
        models: their names, as rows of the matrix.
        order: the names as the tree's leaves stand, likest neighbours side by side.
        linkage: of `scipy.cluster.hierarchy.linkage`: for each of k − 1 joins the two clusters, their
            distance and the number of models.
    """

    models: tuple[str, ...]
    order: tuple[str, ...]
    linkage: tuple[tuple[float, float, float, float], ...]


def clustered(
    models: list[str], values: Float[np.ndarray, "k k"], *, top: float = 1.0, distance: bool = False
) -> Clusters | None:
    """Average linkage over distances top − value.

    Args:
        models: names of the rows.
        values: likeness of every two; both halves are averaged, the diagonal isn't read.
        top: the greatest likeness there can be; where there is no bound, the greatest found.
        distance: the values are distances already.

    Returns:
        None where there are fewer than three models or a value is missing.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    values = np.asarray(values, np.float64)
    if values.shape != (len(models), len(models)):
        raise InputError(
            f"values has shape {values.shape} and there are {len(models)} models: give a row each"
        )
    even = (values + values.T) / 2
    np.fill_diagonal(even, 0.0)
    if len(models) < 3 or not np.isfinite(even).all():
        return None
    off = ~np.eye(len(models), dtype=bool)
    top = top if np.isfinite(top) else float(even[off].max())
    apart = np.where(off, np.maximum(even if distance else top - even, 0.0), 0.0)
    found = linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
    order = tuple(models[int(leaf)] for leaf in leaves_list(found))
    rows = tuple((float(a), float(b), float(d), float(n)) for a, b, d, n in found)
    return Clusters(tuple(models), order, rows)
