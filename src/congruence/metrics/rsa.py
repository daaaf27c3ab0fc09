"""`rsa`: do the same pairs of rows lie near each other in both spaces?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, TypeVar

import numba
import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.base import Laws, metric
from congruence.metrics.blas import in_parallel
from congruence.metrics.inputs import paired
from congruence.metrics.interleaved import FEWEST_DRAWS, FEWEST_ROWS, Interleaved, fits, is_wide
from congruence.metrics.kernels import exact_run, over_draws, triangle_draws, whole_triangle_draws
from congruence.metrics.lists import FromProducts, OfProducts
from congruence.metrics.ranks import BUCKET, SORTERS, PackedValues, centred_ranks
from congruence.metrics.rdm import (
    TIE,
    condensed,
    extremes,
    furthest,
    of_products,
    over_rows,
    ready,
    square,
    unfolded,
)
from congruence.metrics.rsa_lists import KINDS, pearson_of_lists, spearman_of_lists
from congruence.metrics.shared import ROWS, SharedRows
from congruence.records import Score

FEW = 600
"""Up to so many rows distances come from the rows themselves, which takes milliseconds."""
NARROW = 32
"""Very many distances that take up less of their possible range than one part in so many are read again."""
SINGLE = 2**24
"""From so many distances their values are held in four bytes."""

T = TypeVar("T")


@dataclass(frozen=True)
class PreparedRsa:
    """Both sides centred (ranked before, for Spearman): a draw is a gather and a dot product.

    `other` is condensed where it holds ranks of very many distances, and else the whole symmetric matrix.
    """

    triangle: Shaped[np.ndarray, " pairs"]
    other: Shaped[np.ndarray, " pairs"] | Shaped[np.ndarray, "n n"]
    norm: float
    n: int
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-10

    def observed(self) -> Score:
        """Correlation of the two triangles."""
        value = float(self.repaired(np.arange(self.n)[None, :])[0])
        return Score("rsa", value, self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The same with rows and columns of B's triangle permuted together."""
        if len(permutations) >= FEWEST_DRAWS and self._interleaved is not None:
            sums = self._interleaved.draws(permutations)
        elif self.other.dtype.kind == "i":
            sums = whole_triangle_draws(self.triangle, self.other, permutations, self.n)
        else:
            sums = triangle_draws(self.triangle, self.other, permutations)
        return np.clip(sums / self.norm, -1.0, 1.0)

    @cached_property
    def _interleaved(self) -> Interleaved | None:
        """Ranks laid out so that draws need no gather, where that is the faster way."""
        if self.other.ndim == 1 or self.other.dtype != np.int32 or self.n < FEWEST_ROWS or not is_wide():
            return None
        return Interleaved(self.triangle, self.other) if fits(self.triangle, self.other) else None


@dataclass(frozen=True)
class PreparedKendall:
    """Kendall's tau-b counts inversions anew for each draw: O(pairs · log pairs), for small n."""

    triangle: Shaped[np.ndarray, " pairs"]
    square: Shaped[np.ndarray, "n n"]
    details: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1e-10

    @property
    def n(self) -> int:
        return len(self.square)

    def observed(self) -> Score:
        """Tau-b of the two triangles."""
        return Score("rsa", float(self._tau(np.arange(self.n))), self.n, self.details)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """Tau-b of each draw."""
        return over_draws(lambda block: np.array([self._tau(p) for p in block]), permutations, self.n)

    def _tau(self, order: Int[np.ndarray, " n"]) -> float:
        from scipy.stats import kendalltau  # slow to import

        upper = np.triu_indices(self.n, 1)
        tau = kendalltau(self.triangle, self.square[order[upper[0]], order[upper[1]]])
        return float(np.asarray(tau)[0])


def _norm(values: Shaped[np.ndarray, " pairs"]) -> float:
    if values.dtype.kind == "i":
        return float(np.sqrt(_whole_squares(values, exact_run(values))))
    parts = np.array_split(values, 1 + len(values) // SINGLE)
    return float(np.sqrt(sum((part.astype(np.float64) ** 2).sum() for part in parts)))


@numba.njit(nogil=True, cache=True)
def _whole_squares(values, run):
    """Σ values², whole numbers summed as such in runs."""
    total = 0.0
    for first in range(0, len(values), run):
        part = np.int64(0)
        for k in range(first, min(first + run, len(values))):
            part += np.int64(values[k]) * np.int64(values[k])
        total += part
    return total


def _centre(values: Float[np.ndarray, " pairs"]) -> Shaped[np.ndarray, " pairs"]:
    """Values minus their mean, in place; very many in four bytes each, at the front of their memory."""
    values -= values.mean()
    if len(values) < SINGLE:
        return values
    short = values.view(np.float32)[: len(values)]
    for first in range(0, len(values), SINGLE):
        short[first : first + SINGLE] = values[first : first + SINGLE]
    return short


@metric
class Rsa(OfProducts):
    """Correlation, over all pairs of rows, of their distances in x with their distances in y.

    ρ(D_a[i<j], D_b[i<j]), D the distances between rows of one side. The default (1 − Pearson r of
    rows, Spearman) is what Lan et al. computed; their text says Euclidean.

    Invariant to isotropic scale; to rotations with "euclidean" and "cosine" ("correlation" centres each
    row over its columns, so a rotation changes it slightly); to shifts with "euclidean" alone. Entries
    of a triangle depend on each other: only a re-pairing null gives a p-value. With n rows there are
    n(n−1)/2 distances, so it keeps power at small n and needs 5 n² bytes at large n. Ranks are whole
    numbers and so are their products: draws are exact.

    Returns:
        Score in [-1, 1]; details: rdm, compare, number of row pairs.

    Raises:
        InputError: bad input, an unknown option, a row without direction, or equal distances.

    Source: Kriegeskorte et al. 2008; Lan et al. 2024 (arXiv 2410.06981), section 3.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(rsa(x, 2 * x)), 6)
    1.0
    """

    name = "rsa"
    title = "Representational similarity (RSA)"
    range = (-1.0, 1.0)
    laws = Laws(translation=False, orthogonal=False)
    reading = (
        "How alike the features are to one another is computed within each side; the score is the rank "
        "correlation of the two sets of likenesses. Needs no map between the spaces."
    )
    beware = (
        "Low values can be far above chance: entries of a similarity matrix depend on each other, so only "
        "the permutation p counts."
    )
    says = "the likenesses among features agree with a rank correlation of {score}"

    shares_rows: ClassVar[bool] = True

    rdm: Literal["correlation", "euclidean", "cosine"] = "correlation"
    """Distance between rows: "correlation", "euclidean" or "cosine"."""
    compare: Literal["spearman", "pearson", "kendall"] = "spearman"
    """"spearman", "pearson" or "kendall" (tau-b, slow: for small n)."""
    unit_rows: bool = False
    """Divide every row by its norm first, which only "euclidean" can tell."""

    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedRsa | PreparedKendall:
        """Both triangles of distances, ranked or centred."""
        pair = paired(x, y, unit_rows=self.unit_rows)
        pairs = pair.n * (pair.n - 1) // 2
        options = {"rdm": self.rdm, "compare": self.compare, "unit_rows": self.unit_rows}
        details = {**options, "row_pairs": pairs}
        sides = SharedRows.of(x, pair.x), SharedRows.of(y, pair.y)
        few = pairs <= BUCKET
        whole = self._square if few or self.compare == "pearson" else partial(self._triangle, name="y")
        makers = (partial(self._triangle, sides[0], name="x"), partial(whole, sides[1]))
        (a, norm_a), (b, norm_b) = in_parallel(_call, makers) if few else map(_call, makers)
        if self.compare == "kendall":
            return PreparedKendall(a, b if few else square(b, pair.n), details)
        return PreparedRsa(a, b, norm_a * norm_b, pair.n, details)

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """One side's ranks of four bytes, the other's distances of six, and what is sorted at a time."""
        sorted_at_once = 16 * SORTERS * min(BUCKET // 2, n * n // 2)
        return super().memory(n, d_a, d_b) + (6 if self.compare == "pearson" else 5) * n * n + sorted_at_once

    def _triangle(self, rows: SharedRows, *, name: str) -> tuple[Shaped[np.ndarray, " pairs"], float]:
        """Entries of one side in as much memory as they need, and their norm."""
        if len(rows) * (len(rows) - 1) // 2 > BUCKET and self.compare != "pearson":
            entries = self._ranks_of_many(rows, name)
            return entries, _norm(entries)
        room = np.empty(len(rows) * (len(rows) - 1) // 2)
        entries = self._entries(rows, name, room)
        kind, norm = entries.dtype, _norm(entries)
        del entries  # the memory behind it may move
        pairs = len(room)
        room.resize(-(-pairs * kind.itemsize // room.itemsize), refcheck=False)
        return room.view(kind)[:pairs], norm

    def _square(self, rows: SharedRows) -> tuple[Shaped[np.ndarray, "n n"], float]:
        """Side y as a square, which of four bytes an entry has the room of the distances."""
        n = len(rows)
        room = np.empty((n * n + 1) // 2)
        entries = self._entries(rows, "y", room[: n * (n - 1) // 2])
        norm = _norm(entries)
        if entries.itemsize == room.itemsize:
            return square(entries, n), norm
        return unfolded(room.view(entries.dtype)[: n * n], n), norm

    def _entries(
        self, rows: SharedRows, name: str, room: Float[np.ndarray, " pairs"]
    ) -> Shaped[np.ndarray, " pairs"]:
        """The triangle of one side, ranked or centred, at the front of `room`."""
        found = None
        if FEW < len(rows) <= ROWS and self.rdm != "euclidean":
            found = of_products(rows, self.rdm, out=room)
        triangle = condensed(rows.rows, self.rdm, name, out=room) if found is None else room
        tie = self._tie(*(found or extremes(triangle)), name)
        return _centre(triangle) if self.compare == "pearson" else centred_ranks(triangle, tie=tie)

    def _ranks_of_many(self, given: SharedRows, name: str) -> Int[np.ndarray, " pairs"]:
        """The ranks of one side, whose distances are never all held in eight bytes."""
        rows = ready(given.rows, self.rdm, name)
        low, span = 0.0, furthest(rows, self.rdm)
        while True:
            held, seen = PackedValues(len(rows) * (len(rows) - 1) // 2, low, span), []
            over_rows(
                lambda start, part, to=held, seen=seen: seen.append(to.put(start, part)), rows, self.rdm
            )
            least, greatest = min(low for low, _ in seen), max(high for _, high in seen)
            tie = self._tie(least, greatest, name)
            if greatest - least > span / NARROW:
                return held.centred_ranks(tie=tie)
            low, span = least, greatest - least  # all lie close together: finer steps
            del held  # not two at a time

    def _tie(self, low: float, high: float, name: str) -> float:
        """The gap between distances that is only rounding."""
        tie = TIE * max(high, -low)
        if high - low <= tie:
            raise InputError(
                f"all rows of {name} are equally far apart (rdm={self.rdm!r}), so there is nothing to "
                f"compare: use more rows or another rdm"
            )
        return tie

    def from_products(self) -> FromProducts | None:
        """Correlation of distances made of products; Kendall's tau is left to `prepare`."""
        if self.compare == "kendall":
            return None
        score = spearman_of_lists if self.compare == "spearman" else pearson_of_lists
        return partial(score, kind=KINDS[self.rdm], unit_rows=self.unit_rows)


rsa = Rsa.function


def _call(make: Callable[[], T]) -> T:
    return make()
