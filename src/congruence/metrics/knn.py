"""Nearest neighbours within each side, and how many two sides share under a re-pairing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.inputs import choice, paired, to_unit_rows, whole_number
from congruence.metrics.kernels import over_draws, shared_neighbours
from congruence.metrics.rdm import distance_blocks
from congruence.records import Score

DISTANCES = ("cosine", "euclidean")


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
            lambda block: shared_neighbours(self.near_a, self.near_b, self.share, block), permutations, self.n
        )


def prepare_neighbours(
    measure: str, x: ArrayLike, y: ArrayLike, *, k: int, distance: str, share: Callable[[Any, int], Any]
) -> PreparedNeighbours:
    """Find the neighbours of both sides.

    Raises:
        InputError: k leaves no row that isn't a neighbour, or an unknown distance.
    """
    choice("distance", distance, DISTANCES)
    pair = paired(x, y)
    k = whole_number("k", k, low=1)
    if k > pair.n - 2:
        raise InputError(
            f"k={k} of the {pair.n - 1} other rows leaves out none or one, so the answer is 1 or nearly so "
            f"whatever the data; use k up to {pair.n - 2}, or more pairs"
        )
    near_a, near_b = (_nearest(side, k, distance, name) for side, name in zip(pair, "xy", strict=True))
    chance = k / (pair.n - 1)
    details = {"k": k, "distance": distance, "shared_by_chance": chance}
    return PreparedNeighbours(measure, near_a, near_b, share(np.arange(k + 1), k), details)


def _nearest(x: Float[np.ndarray, "n d"], k: int, distance: str, name: str) -> Int[np.ndarray, "n k"]:
    """The k nearest other rows of each row, in rising order of their number; ties go to the lower one."""
    rows = to_unit_rows(x, name) if distance == "cosine" else x
    near = np.empty((len(x), k), dtype=np.int64)
    for first, block in distance_blocks(rows, distance):
        block[np.arange(len(block)), first + np.arange(len(block))] = np.inf
        near[first : first + len(block)] = np.sort(_smallest(block, k), axis=1)
    return near


def _smallest(block: Float[np.ndarray, "b n"], k: int) -> Int[np.ndarray, "b k"]:
    """Columns of the k smallest values of each row; where the last place is tied, the lowest columns."""
    smallest = np.argpartition(block, k - 1, axis=1)[:, :k]
    edge = np.take_along_axis(block, smallest, axis=1).max(axis=1, keepdims=True)
    tied = np.flatnonzero((block <= edge).sum(axis=1) > k)
    smallest[tied] = np.argsort(block[tied], axis=1, kind="stable")[:, :k]
    return smallest
