"""`mutual_knn` and `jaccard_knn`: how many of a row's nearest neighbours are the same on both sides?"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numba
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.base import Laws, Measure, metric
from congruence.metrics.inputs import paired, to_unit_rows
from congruence.metrics.kernels import over_draws
from congruence.metrics.rdm import over_blocks
from congruence.options import at_least
from congruence.records import Score


@dataclass(frozen=True)
class PreparedNeighbours:
    """The k nearest neighbours of every row on both sides: a draw compares lists.

    Attributes:
        share: share[c] is the likeness of two lists of k that have c members in common.
    """

    measure: str
    near_a: Int[np.ndarray, "n k"]
    near_b: Int[np.ndarray, "n k"]
    share: Float[np.ndarray, " counts"]
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.near_a)

    def observed(self) -> Score:
        """Mean likeness of the two lists of each row."""
        value = float(self.repaired(np.arange(self.n)[None, :])[0])
        return Score(self.measure, value, self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same for each draw."""
        return over_draws(
            lambda block: _shared_neighbours(self.near_a, self.near_b, self.share, block),
            permutations,
            self.n,
        )


@dataclass(frozen=True, kw_only=True)
class NearestNeighbours(Measure):
    """What both measures of neighbours share: their options, and how neighbours are found."""

    k: Annotated[int, at_least(1)] = 10
    """Neighbours to compare, at most n − 2."""
    distance: Literal["cosine", "euclidean"] = "cosine"
    """"cosine" or "euclidean" (the same order where rows have unit norm)."""

    def check_reach(self, most_pairs: int, width_a: int, width_b: int) -> None:
        """Refuse more neighbours than rows there can be."""
        super().check_reach(most_pairs, width_a, width_b)
        self._check_k(most_pairs)

    def _check_k(self, n: int) -> None:
        if self.k > n - 2:
            raise InputError(
                f"k={self.k} of the {n - 1} other rows leaves out none or one, so the answer is 1 or "
                f"nearly so whatever the data; use k up to {n - 2}, or more pairs"
            )

    def share(self, shared: Int[np.ndarray, " counts"]) -> Float[np.ndarray, " counts"]:
        """Likeness of two lists of k neighbours that have so many in common."""
        raise NotImplementedError

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedNeighbours:
        """Find the neighbours of both sides.

        Raises:
            InputError: k leaves no row that isn't a neighbour.
        """
        pair = paired(x, y)
        self._check_k(pair.n)
        near_a, near_b = (
            _nearest(side, self.k, self.distance, name) for side, name in zip(pair, "xy", strict=True)
        )
        share = self.share(np.arange(self.k + 1))
        details = {"k": self.k, "distance": self.distance, "shared_by_chance": self.k / (pair.n - 1)}
        return PreparedNeighbours(self.name, near_a, near_b, share, details)


def _nearest(x: Float[np.ndarray, "n d"], k: int, distance: str, name: str) -> Int[np.ndarray, "n k"]:
    """The k nearest other rows of each row, in rising order of their number; ties go to the lower one."""
    rows = to_unit_rows(x, name) if distance == "cosine" else x
    near = np.empty((len(x), k), dtype=np.int64)

    def find(first: int, block: Float[np.ndarray, "b n"]) -> None:
        block[np.arange(len(block)), first + np.arange(len(block))] = np.inf
        near[first : first + len(block)] = np.sort(_smallest(block, k), axis=1)

    over_blocks(find, rows, distance)
    return near


def _smallest(block: Float[np.ndarray, "b n"], k: int) -> Int[np.ndarray, "b k"]:
    """Columns of the k smallest values of each row; where the last place is tied, the lowest columns."""
    smallest = np.argpartition(block, k - 1, axis=1)[:, :k]
    edge = np.take_along_axis(block, smallest, axis=1).max(axis=1, keepdims=True)
    tied = np.flatnonzero((block <= edge).sum(axis=1) > k)
    smallest[tied] = np.argsort(block[tied], axis=1, kind="stable")[:, :k]
    return smallest


@metric
class MutualKnn(NearestNeighbours):
    """Mean share of a row's k nearest neighbours that are the same on both sides.

    (1/n) Σ_i |N_k(x_i) ∩ N_k(y_i)| / k, a row not its own neighbour. Chance is k / (n − 1).

    Invariant to isotropic scale and rotations of each side (with "euclidean" to shifts as well). It sees
    only near rows, so it keeps power where the global arrangement is noise, and says little where k is
    not small against n.

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

    name = "mutual_knn"
    title = "Mutual nearest neighbours"
    range = (0.0, 1.0)
    laws = Laws(translation=False)
    reading = "The share of each feature's k nearest neighbours that its partner has as well."
    beware = "Chance is about k over the number of pairs."
    says = "partners share {percent} of their nearest neighbours"

    def check_reach(self, most_pairs: int, width_a: int, width_b: int) -> None:
        """Refuse more neighbours than rows there can be."""
        super().check_reach(most_pairs, width_a, width_b)
        self._check_k(most_pairs)

    def _check_k(self, n: int) -> None:
        if self.k > n - 2:
            raise InputError(
                f"k={self.k} of the {n - 1} other rows leaves out none or one, so the answer is 1 or "
                f"nearly so whatever the data; use k up to {n - 2}, or more pairs"
            )

    def share(self, shared: Int[np.ndarray, " counts"]) -> Float[np.ndarray, " counts"]:
        """Of k."""
        return shared / self.k


@metric
class JaccardKnn(NearestNeighbours):
    """Mean Jaccard index of the sets of a row's k nearest neighbours on both sides.

    (1/n) Σ_i |N_k(x_i) ∩ N_k(y_i)| / |N_k(x_i) ∪ N_k(y_i)|, a row not its own neighbour.

    Invariant to isotropic scale and rotations of each side (with "euclidean" to shifts as well). Says
    little where k is not small against n.

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

    name = "jaccard_knn"
    title = "Neighbourhood Jaccard"
    range = (0.0, 1.0)
    laws = Laws(translation=False)
    reading = "Overlap (intersection over union) of each pair's nearest-neighbour sets."
    beware = "Chance is about k over twice the number of pairs."
    says = "neighbourhoods overlap by {score}"

    def check_reach(self, most_pairs: int, width_a: int, width_b: int) -> None:
        """Refuse more neighbours than rows there can be."""
        super().check_reach(most_pairs, width_a, width_b)
        self._check_k(most_pairs)

    def _check_k(self, n: int) -> None:
        if self.k > n - 2:
            raise InputError(
                f"k={self.k} of the {n - 1} other rows leaves out none or one, so the answer is 1 or "
                f"nearly so whatever the data; use k up to {n - 2}, or more pairs"
            )

    def share(self, shared: Int[np.ndarray, " counts"]) -> Float[np.ndarray, " counts"]:
        """Of the union."""
        return shared / (2 * self.k - shared)


mutual_knn = MutualKnn.function
jaccard_knn = JaccardKnn.function


@numba.njit(nogil=True, cache=True)
def _shared_neighbours(near_a, near_b, share, permutations):
    """Mean over rows of share[how many neighbours are the same], for every draw of a block."""
    n, k = near_a.shape
    out = np.empty(len(permutations))
    mark = np.full(n, -1, dtype=np.int64)
    for d in range(len(permutations)):
        order = permutations[d]
        total = 0.0
        mark[:] = -1
        for i in range(n):
            for j in range(k):
                mark[near_b[order[i], j]] = i
            common = 0
            for j in range(k):
                if mark[order[near_a[i, j]]] == i:
                    common += 1
            total += share[common]
        out[d] = total / n
    return out
