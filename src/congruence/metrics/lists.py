"""Scores of many lists of pairs of decoder rows, from the products of rows within each layer.

Products are exact: rows of unit norm are rounded to whole steps of 2⁻²⁶ (their float32 has no more digits to
speak of), so that every product is a whole number of steps of 2⁻⁵² below 2⁵³, and any order of summing gives
the same bits: one thread or ten, a matrix of all rows or a list's own, this processor or that one.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numba
import numpy as np
from jaxtyping import Float, Int

from congruence.metrics.base import Measure
from congruence.metrics.blas import aligned, blocks, in_parallel, one_blas_thread
from congruence.records import PairLists

STEP = 2.0**26
PRODUCT_BYTES = 3 * 2**30
"""Products of all rows of both layers are kept up to so many bytes; beyond, each list makes its own."""
STRETCH = 1 << 17
"""Products of rows, on either side, that are made and scored together."""
MIN_PAIRS = 3
FLAT = 1e-7
"""A side that varies less than this, relative to its size, has no score."""


@dataclass
class DecoderRows:
    """The decoder of one layer, with what scoring many lists needs of it, made when first asked for.

    Attributes:
        W_dec: (f, d) float32 rows.
    """

    W_dec: Float[np.ndarray, "f d"]
    _products: Float[np.ndarray, "f f"] | None = field(default=None, init=False, repr=False)
    _wanted: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.W_dec = np.ascontiguousarray(self.W_dec, dtype=np.float32)

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
        """Make the cosines of all rows, in float32, if they aren't there: 4 f² bytes, and 8 f d meanwhile."""
        if self._products is not None:
            return
        steps = self._steps(np.arange(len(self.W_dec)))
        out = np.empty((len(steps), len(steps)), dtype=np.float32)

        def fill(part: slice) -> None:
            upper = (steps[part] @ steps[part.start :].T) * STEP**-2
            out[part, part.start :] = upper
            out[part.start :, part] = upper.T

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

    def cosines(self, rows: Int[np.ndarray, " n"], offsets: Int[np.ndarray, " k"]) -> Float[np.ndarray, " s"]:
        """Cosines between the rows of each list, list after list; the same bits whether products are kept.

        Args:
            rows: rows of all lists.
            offsets: where each list begins, and the end.
        """
        squares = squares_of(offsets)
        out = np.empty(squares[-1])
        if self._products is not None:
            _gather(self._products, rows, offsets, squares, out)
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
        cls, layer: DecoderRows, rows: Int[np.ndarray, " r"], offsets: Int[np.ndarray, " k"]
    ) -> "ListProducts":
        """The products of the rows of each list."""
        cosines, squares = layer.cosines(rows, offsets), squares_of(offsets)
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

    def score(part: range) -> None:
        some = lists.part(part.start, part.stop)
        x, y = ListProducts.of(a, some.a, some.offsets), ListProducts.of(b, some.b, some.offsets)
        for place, kernel in enumerate(kernels):
            out[place, part.start : part.stop] = kernel(x, y)

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(one_blas_thread()(score), _stretches(lists)))
    out[:, lists.lengths < MIN_PAIRS] = np.nan
    return out


def _stretches(lists: PairLists) -> Iterator[range]:
    """Runs of lists whose products fit the nearest caches together."""
    first, held = 0, 0
    for number, square in enumerate((lists.lengths**2).tolist()):
        if number > first and held + square > STRETCH:
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
def _gather(products, rows, offsets, squares, out):
    """Entries of some rows and columns of a symmetric matrix, list after list.

    Entries lie far apart: nothing stands between their reads, so that many are under way at once.
    """
    for k in range(len(offsets) - 1):
        own = rows[offsets[k] : offsets[k + 1]]
        n = len(own)
        square = out[squares[k] : squares[k + 1]].reshape(n, n)
        for i in range(n):
            row, to = products[own[i]], square[i]
            for j in range(i, n):
                to[j] = row[own[j]]
        for i in range(n):
            for j in range(i):
                square[i, j] = square[j, i]


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
