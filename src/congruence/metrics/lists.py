"""Scores of many lists of pairs of decoder rows, from the products of rows within each layer.

Products are exact: rows of unit norm are rounded to whole steps of 2⁻²⁶ (their float32 has no more digits to
speak of), so that every product is a whole number of steps of 2⁻⁵² below 2⁵³, and any order of summing gives
the same bits: one thread or ten, a matrix of all rows or a list's own, this processor or that one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.aligned import aligned
from congruence.metrics.base import Measure
from congruence.metrics.blas import blocks, in_parallel, one_blas_thread
from congruence.records import PairLists
from congruence.threads import spread

STEP = 2.0**26
PRODUCT_BYTES = 3 * 2**30
"""Products of all rows of both layers are kept up to so many bytes; beyond, each list makes its own."""
STRETCH = 1 << 16
"""Products of rows, on either side, that are made and scored together."""
GATHERED = 1 << 25
"""Products that are fetched together from those of all rows: half of them in four bytes, 64 MiB a side."""
MIN_PAIRS = 3
FLAT = 1e-7
"""A side that varies less than this, relative to its size, has no score."""


@dataclass
class DecoderRows:
    """The decoder of one layer, with what scoring many lists needs of it, made when first asked for.

    Args:
        given: (f, d) rows, or what gives them: then they are asked for each time, and not held here.
    """

    given: Float[np.ndarray, "f d"] | Callable[[], Float[np.ndarray, "f d"]]
    _products: Float[np.ndarray, "f f"] | None = field(default=None, init=False, repr=False)
    _wanted: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.given):
            self.given = np.ascontiguousarray(self.given, dtype=np.float32)

    @property
    def W_dec(self) -> Float[np.ndarray, "f d"]:
        """(f, d) float32 rows."""
        return np.ascontiguousarray(self.given(), dtype=np.float32) if callable(self.given) else self.given

    def __len__(self) -> int:
        return len(self.W_dec)

    @cached_property
    def norms(self) -> Float[np.ndarray, " f"]:
        """(f,) norm of each row."""
        return _norms(self.W_dec)

    @cached_property
    def means(self) -> Float[np.ndarray, " f"]:
        """(f,) mean over its columns of each row at unit norm."""
        return _row_sums(self.W_dec) / (self.W_dec.shape[1] * np.where(self.norms > 0, self.norms, 1.0))

    @property
    def product_bytes(self) -> int:
        """What the products of all rows hold at the moment."""
        return 0 if self._products is None else self._products.nbytes

    @property
    def full_product_bytes(self) -> int:
        """What the products of all rows hold once they are made: 4 f²."""
        return 4 * len(self.W_dec) ** 2

    def make_products(self) -> None:
        """Make the cosines of all rows, in float32, if they aren't there: 4 f² bytes, and 8 f d meanwhile.

        Of a symmetric matrix only what lies above its diagonal is written, and read.
        """
        if self._products is not None:
            return
        steps = self._steps(np.arange(len(self.W_dec)))
        out = np.empty((len(steps), len(steps)), dtype=np.float32)

        def fill(part: slice) -> None:
            upper = steps[part] @ steps[part.start :].T
            np.multiply(upper, STEP**-2, out=out[part, part.start :], casting="same_kind")

        in_parallel(fill, blocks(len(steps)))
        self._products = out

    def want_products(self, entries: int) -> None:
        """Make the products of all rows once half as many have been asked for, all lists taken together."""
        self._wanted += entries
        if 2 * self._wanted >= len(self.W_dec) ** 2:
            self.make_products()

    def forget_products(self) -> None:
        """Give their memory back; they are made again when they pay."""
        self._products = None

    def gathered(
        self, rows: Int[np.ndarray, " n"], offsets: Int[np.ndarray, " k"], threads: int
    ) -> "Gathered | None":
        """What `cosines` of many lists reads, fetched in the order of memory; None without products.

        A row of the products serves all lists that hold it while its pages are at hand.
        """
        products = self._products  # which another thread may let go of meanwhile
        if products is None:
            return None
        starts = np.concatenate([[0], np.cumsum(np.diff(offsets) * (np.diff(offsets) + 1) // 2)])
        lists, order = _by_row(rows, offsets, len(self.W_dec))
        out = np.empty(starts[-1], dtype=np.float32)
        cuts = np.linspace(0, len(rows), max(threads, 1) + 1).astype(int)
        spread(
            lambda part: _gather(products, rows, offsets, lists, order, starts, part, out),
            pairwise(cuts.tolist()),
            threads,
        )
        return Gathered(out, order, starts)

    def cosines(
        self,
        rows: Int[np.ndarray, " n"],
        offsets: Int[np.ndarray, " k"],
        found: "Gathered | None" = None,
    ) -> Float[np.ndarray, " s"]:
        """Cosines between the rows of each list, list after list; the same bits whether products are kept.

        Args:
            rows: rows of all lists.
            offsets: where each list begins, and the end.
            found: the lists, gathered.
        """
        squares = squares_of(offsets)
        out = np.empty(squares[-1])
        found = self.gathered(rows, offsets, 1) if found is None else found
        if found is not None:
            _unfold(found.entries, found.order, found.starts, offsets, squares, out)
            return out
        for k in range(len(offsets) - 1):
            steps = self._steps(rows[offsets[k] : offsets[k + 1]])
            product = steps @ steps.T
            out[squares[k] : squares[k + 1]] = (product * STEP**-2).astype(np.float32).ravel()
        return out

    def _steps(self, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n d"]:
        """Rows of unit norm in whole steps of 2⁻²⁶."""
        norms = self.norms[rows]
        steps = aligned((len(rows), self.W_dec.shape[1]))
        np.divide(self.W_dec[rows], np.where(norms > 0, norms, np.inf)[:, None], out=steps)
        steps *= STEP
        return np.rint(steps, out=steps)


@dataclass(frozen=True, eq=False)
class Gathered:
    """Cosines of many lists, each list's rows in ascending order and only the upper half of its square.

    Attributes:
        entries: float32, list after list, row by row, the diagonal included.
        order: (rows,) place within its list of the rows in ascending order, list after list.
        starts: (lists + 1,) where each list's entries begin, and the end.
    """

    entries: Float[np.ndarray, " e"]
    order: Int[np.ndarray, " r"]
    starts: Int[np.ndarray, " k"]

    def part(self, lists: range, rows: slice) -> "Gathered":
        """Those of some lists, which hold the rows of a slice of all."""
        starts = self.starts[lists.start : lists.stop + 1]
        return Gathered(self.entries[starts[0] : starts[-1]], self.order[rows], starts - starts[0])


def squares_of(offsets: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """Where each list's square of products begins, and the end."""
    return np.concatenate([[0], np.cumsum(np.diff(offsets) ** 2)])


@dataclass(frozen=True, eq=False)
class ListProducts:
    """What scores of some lists need of one layer, list after list.

    Attributes:
        cosines: (squares,) float64 between the rows of each list.
        norms: (rows,) of the rows; 0 where a row is zero.
        means: (rows,) of the rows at unit norm over their columns.
        width: number of columns.
        offsets: (lists + 1,) first row of each list, and the end.
        squares: (lists + 1,) where each list's cosines begin, and the end.
    """

    cosines: Float[np.ndarray, " s"]
    norms: Float[np.ndarray, " r"]
    means: Float[np.ndarray, " r"]
    width: int
    offsets: Int[np.ndarray, " k"]
    squares: Int[np.ndarray, " k"]

    @classmethod
    def of(
        cls,
        layer: DecoderRows,
        rows: Int[np.ndarray, " r"],
        offsets: Int[np.ndarray, " k"],
        found: Gathered | None = None,
    ) -> "ListProducts":
        """The products of the rows of each list, gathered before or not."""
        cosines, squares = layer.cosines(rows, offsets, found), squares_of(offsets)
        return cls(cosines, layer.norms[rows], layer.means[rows], layer.W_dec.shape[1], offsets, squares)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """As compiled loops take them: cosines, norms, means and width."""
        return self.cosines, self.norms, self.means, float(self.width)

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Where lists begin, among the rows and among the cosines."""
        return self.offsets, self.squares


FromProducts = Callable[[ListProducts, ListProducts], Float[np.ndarray, " lists"]]


class OfProducts(Measure):
    """A measure that can be computed from the products of rows within each side."""

    list_resolution: ClassVar[float] = 1e-9

    def from_products(self) -> FromProducts | None:
        """How lists are scored, NaN where one has no score; None where these options need the rows."""
        raise NotImplementedError

    def of_lists(
        self, a: DecoderRows, b: DecoderRows, lists: PairLists, *, threads: int = 1
    ) -> Float[np.ndarray, " draws"]:
        """The score of every list, from products of rows."""
        if self.from_products() is None:
            return super().of_lists(a, b, lists, threads=threads)
        return score_lists([self], a, b, lists, threads=threads)[0]


def score_lists(
    measures: Sequence[Measure], a: DecoderRows, b: DecoderRows, lists: PairLists, *, threads: int = 1
) -> Float[np.ndarray, "measures draws"]:
    """Every measure of every list of pairs; NaN where a list is too small or has no score.

    A list's scores depend on its pairs alone: not on the other lists, their number, or `threads`. So
    observed pairs can stand among the draws, and equal lists give equal bits. Two scores of a measure
    nearer than its `list_resolution` are a tie.

    Measures that can be are computed from products of rows, shared between them: exact to about 1e-8 a
    cosine against `prepare`, which reads the rows in float64. Products of all rows are kept (4 f² bytes a
    layer) where lists need about as many, over all calls, and both layers' fit into 3 GiB.

    Args:
        measures: with their options bound.
        a, b: both layers' decoders.
        lists: pairs of features.
        threads: how many lists to score side by side.

    Returns:
        (measures, draws) float64.
    """
    out = np.full((len(measures), len(lists)), np.nan)
    kernels = {
        place: kernel
        for place, measure in enumerate(measures)
        if isinstance(measure, OfProducts) and (kernel := measure.from_products()) is not None
    }
    with one_blas_thread():
        if kernels:
            want_products(a, b, int((lists.lengths**2).sum()))
            out[list(kernels)] = _from_products(list(kernels.values()), a, b, lists, threads)
        for place, measure in enumerate(measures):
            if place not in kernels:
                out[place] = measure.of_lists(a, b, lists, threads=threads)
    return out


def want_products(a: DecoderRows, b: DecoderRows, entries: int) -> None:
    """Make the products of all rows of both layers where they fit and pay.

    Lists ask for theirs when they are scored. Whoever knows that many will come says so before the first:
    a list's own products take some four times as long as its share of all.

    Args:
        a, b: the layers.
        entries: products that are wanted of either.
    """
    layers = [a] if a is b else [a, b]
    if sum(layer.full_product_bytes for layer in layers) <= PRODUCT_BYTES:
        for layer in layers:
            layer.want_products(entries)


def _from_products(
    kernels: Sequence[FromProducts], a: DecoderRows, b: DecoderRows, lists: PairLists, threads: int
) -> Float[np.ndarray, "measures draws"]:
    out = np.full((len(kernels), len(lists)), np.nan)
    for layer in (a, b):
        _ = layer.norms, layer.means

    for batch in _stretches(lists, GATHERED):
        many = lists.part(batch.start, batch.stop)
        gathered = [layer.gathered(rows, many.offsets, threads) for layer, rows in ((a, many.a), (b, many.b))]

        def score(
            part: range, many: PairLists = many, gathered: list = gathered, first: int = batch.start
        ) -> None:
            some, rows = many.part(part.start, part.stop), slice(*many.offsets[[part.start, part.stop]])
            found = [None if one is None else one.part(part, rows) for one in gathered]
            x = ListProducts.of(a, some.a, some.offsets, found[0])
            y = ListProducts.of(b, some.b, some.offsets, found[1])
            for place, kernel in enumerate(kernels):
                out[place, first + part.start : first + part.stop] = kernel(x, y)

        spread(one_blas_thread()(score), _stretches(many, STRETCH), threads)
    out[:, lists.lengths < MIN_PAIRS] = np.nan
    return out


def _stretches(lists: PairLists, most: int) -> Iterator[range]:
    """Runs of lists that have so many products together, or of one that has more."""
    first, held = 0, 0
    for number, square in enumerate((lists.lengths**2).tolist()):
        if number > first and held + square > most:
            yield range(first, number)
            first, held = number, 0
        held += square
    if first < len(lists):
        yield range(first, len(lists))


@numba.njit(nogil=True, cache=True)
def _norms(rows):
    out = np.empty(len(rows))
    for i in range(len(rows)):
        total = 0.0
        for c in range(rows.shape[1]):
            total += np.float64(rows[i, c]) * np.float64(rows[i, c])
        out[i] = np.sqrt(total)
    return out


@numba.njit(nogil=True, cache=True)
def _row_sums(rows):
    out = np.empty(len(rows))
    for i in range(len(rows)):
        total = 0.0
        for c in range(rows.shape[1]):
            total += np.float64(rows[i, c])
        out[i] = total
    return out


@numba.njit(nogil=True, cache=True)
def _by_row(rows, offsets, count):
    """Of every place in every list, in ascending order of rows: its list; and each list's own order.

    Returns:
        (rows,) number of the list; (rows,) places within a list by ascending row, list after list.
    """
    ends = np.zeros(count + 1, np.int64)
    for row in rows:
        ends[row + 1] += 1
    for row in range(count):
        ends[row + 1] += ends[row]
    lists, places = np.empty(len(rows), np.int32), np.empty(len(rows), np.int32)
    for k in range(len(offsets) - 1):
        for p in range(offsets[k], offsets[k + 1]):
            at = ends[rows[p]]
            lists[at], places[at] = k, p - offsets[k]
            ends[rows[p]] = at + 1
    order, filled = np.empty(len(rows), np.int32), offsets[:-1].copy()
    for at in range(len(rows)):
        k = lists[at]
        order[filled[k]] = places[at]
        filled[k] += 1
    return lists, order


@numba.njit(nogil=True, cache=True)
def _gather(products, rows, offsets, lists, order, starts, part, out):  # noqa: PLR0917
    """Entries above the diagonal of a symmetric matrix, for some places in the order of rows.

    Entries lie far apart: nothing stands between their reads, so that many are under way at once.
    """
    done = np.zeros(len(offsets) - 1, np.int64)
    for at in range(part[0]):
        done[lists[at]] += 1
    for at in range(part[0], part[1]):
        k = lists[at]
        i, n = done[k], offsets[k + 1] - offsets[k]
        done[k] = i + 1
        own, places = rows[offsets[k] : offsets[k + 1]], order[offsets[k] : offsets[k + 1]]
        row = products[own[places[i]]]
        start = starts[k] + i * n - i * (i - 1) // 2
        to, later = out[start : start + n - i], places[i:]
        for j in range(len(to)):
            to[j] = row[own[later[j]]]


@numba.njit(nogil=True, cache=True)
def _unfold(entries, order, starts, offsets, squares, out):  # noqa: PLR0917
    """Whole squares in the lists' own order."""
    for k in range(len(offsets) - 1):
        places, n = order[offsets[k] : offsets[k + 1]], offsets[k + 1] - offsets[k]
        square = out[squares[k] : squares[k + 1]].reshape(n, n)
        at = starts[k]
        for i in range(n):
            row = places[i]
            for j in range(i, n):
                square[row, places[j]] = entries[at]
                square[places[j], row] = entries[at]
                at += 1


@numba.njit(nogil=True, cache=True)
def scaled(cosines, norms):
    """Products of rows as they are, from their cosines and norms."""
    n = len(norms)
    out = np.empty((n, n))
    for i in range(n):
        row, to, own = cosines[i], out[i], norms[i]
        for j in range(n):
            to[j] = row[j] * (own * norms[j])
    return out


@numba.njit(nogil=True, cache=True)
def centred_products(gram):
    """A symmetric matrix minus its row and column means; sums run down the columns, in one order."""
    n = len(gram)
    means = np.zeros(n)
    for i in range(n):
        row = gram[i]
        for j in range(n):
            means[j] += row[j]
    grand = 0.0
    for j in range(n):
        means[j] /= n
        grand += means[j]
    grand /= n
    out = np.empty((n, n))
    for i in range(n):
        row, to, shift = gram[i], out[i], grand - means[i]
        for j in range(n):
            to[j] = row[j] + (shift - means[j])
    return out
