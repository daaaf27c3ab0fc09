"""Sums over re-paired symmetric matrices of whole numbers, sixteen rows at a time and without a gather.

A draw pairs row i of `a` with row p[i] of `b`. Sixteen rows of `b` that follow one another are held column by
column, so that column p[j] of all of them is one vector. The rows of `a` that a draw pairs with them lie
anywhere, but each is read in order: sixteen columns of sixteen rows are transposed in registers and meet the
columns of `b` there. Both halves of the symmetric matrices are read, which is twice the products and still
less than to fetch numbers one by one.

Compilers don't find this by themselves, so the inner loop is written in vectors (of LLVM, for any processor;
it is the faster way where sixteen numbers of 32 bits fit a register). Sums are of whole numbers: exact.
"""

from functools import cache
from typing import Any

import numba
import numpy as np
from jaxtyping import Float, Int
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import ArrayLike

from congruence.metrics.kernels import over_draws

LANES = 16
TOGETHER = 32
"""Draws that share sixteen rows of b while these are in the second cache."""
AHEAD = 128
"""Columns that are fetched ahead: a row ends before the processor has learnt to do it by itself."""
FEWEST_ROWS, FEWEST_DRAWS = 256, 16
"""Below, laying the matrices out isn't worth it."""
_SIGN_BITS = 63

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_NARROW, _WIDE = ir.VectorType(_I32, LANES), ir.VectorType(_I64, LANES // 2)


@cache
def is_wide() -> bool:
    """Whether this processor has registers of 16 × 32 bits."""
    return bool(binding.get_host_cpu_features().get("avx512f", False))


class Interleaved:
    """Two symmetric matrices, zero on their diagonals, laid out for `draws`: 8 n² bytes.

    Args:
        triangle: (n(n − 1)/2,) int32, a's upper triangle row by row.
        other: (n, n) int32, b as a square.
    """

    def __init__(self, triangle: Int[np.ndarray, " pairs"], other: Int[np.ndarray, "n n"]) -> None:
        self.n = len(other)
        width = -(-self.n // LANES) * LANES
        self._rows = np.empty((self.n, width), np.int32)
        self._panels = np.empty((width // LANES, self.n, LANES), np.int32)
        _lay_out_rows(triangle, self._rows)
        _lay_out_panels(other, self._panels)

    def draws(self, permutations: ArrayLike) -> Float[np.ndarray, " m"]:
        """Σ_{i<j} a[i, j] b[p[i], p[j]] for every draw p, exact and rounded once."""
        width = self._rows.shape[1]

        def score(block: Int[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
            partners = np.zeros((len(block), width), np.uint16)  # columns beyond n meet zeros of a
            partners[:, : self.n] = block
            sums = _sums(self._rows, self._panels, partners)
            return np.array([float(((high << 32) + low) // 2) for high, low in sums.tolist()])

        return over_draws(score, permutations, self.n)


def fits(triangle: Int[np.ndarray, " pairs"], other: Int[np.ndarray, "n n"]) -> bool:
    """Whether sixteen rows of products fit a sum of 64 bits, and row numbers two bytes."""
    largest = [max(int(part.max(initial=0)), -int(part.min(initial=0))) for part in (triangle, other)]
    return LANES * len(other) * largest[0] * largest[1] < 1 << _SIGN_BITS and len(other) <= 1 << 16


@numba.njit(nogil=True, cache=True)
def _lay_out_rows(triangle, rows):
    """The symmetric matrix of a triangle, with columns of zeros at its end."""
    n, start = len(rows), 0
    for i in range(n):
        rows[i, i] = 0
        rows[i, n:] = 0
        for j in range(i + 1, n):
            rows[i, j] = triangle[start + j - i - 1]
        start += n - i - 1
    for first in range(0, n, LANES):  # the other half, a stripe of columns at a time: they stay in cache
        for i in range(first, n):
            for j in range(first, min(first + LANES, i)):
                rows[i, j] = rows[j, i]


@numba.njit(nogil=True, cache=True)
def _lay_out_panels(other, panels):
    """Sixteen rows at a time, column by column; rows of zeros at the end."""
    n = len(other)
    for g in range(len(panels)):
        for k in range(LANES):
            r = g * LANES + k
            for c in range(n):
                panels[g, c, k] = other[r, c] if r < n else 0


@numba.njit(nogil=True, cache=True)
def _sums(rows, panels, partners):
    """(draws, 2) sums over both halves: what is above 2³², and what is left."""
    n, width = rows.shape
    flat, sums = rows.reshape(-1), np.zeros((len(partners), 2), dtype=np.int64)
    starts = np.zeros((TOGETHER, width), dtype=np.int64)  # rows beyond n of b are zeros, whatever they meet
    for begin in range(0, len(partners), TOGETHER):
        some = partners[begin : begin + TOGETHER]
        for d in range(len(some)):
            for i in range(n):
                starts[d, some[d, i]] = i * width
        for g in range(len(panels)):
            panel = panels[g].reshape(-1)
            for d in range(len(some)):
                lines = starts[d, g * LANES : (g + 1) * LANES]
                part = _panel_sum(flat, lines, panel, some[d])  # pyright: ignore[reportCallIssue]
                sums[begin + d, 0] += part >> 32
                sums[begin + d, 1] += part & 0xFFFFFFFF
    return sums


@intrinsic  # pyright: ignore[reportArgumentType]
def _panel_sum(context: Any, rows: Any, starts: Any, panel: Any, places: Any) -> Any:
    """Σ_j Σ_k rows[starts[k] + j] panel[places[j], k]: sixteen k, and as many j as there are places.

    rows and panel are flat int32, starts int64, places uint16 of a length that sixteen divides.
    """
    return types.int64(rows, starts, panel, places), _write_panel_sum


def _write_panel_sum(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    arrays = [
        context.make_array(kind)(context, builder, value)
        for kind, value in zip(signature.args, args, strict=True)
    ]
    rows, starts, panel, places = (array.data for array in arrays)
    count = cgutils.unpack_tuple(builder, arrays[3].shape)[0]
    lines = [builder.gep(rows, [builder.load(builder.gep(starts, [_I64(k)]))]) for k in range(LANES)]
    totals = [cgutils.alloca_once_value(builder, ir.Constant(_WIDE, [0] * (LANES // 2))) for _ in range(4)]
    with cgutils.for_range_slice(builder, _I64(0), count, _I64(LANES), inc=True) as (j, _):
        _fetch_ahead(builder, lines, builder.add(j, _I64(AHEAD)))
        columns = _transposed(builder, [_vector(builder, line, j) for line in lines])
        for t, column in enumerate(columns):
            place = builder.zext(builder.load(builder.gep(places, [builder.add(j, _I64(t))])), _I64)
            other = _vector(builder, panel, builder.mul(place, _I64(LANES)))
            _add_products(builder, column, other, totals[2 * (t % 2) : 2 * (t % 2) + 2])
    first, *others = map(builder.load, totals)
    for one in others:
        first = builder.add(first, one)
    total = _I64(0)
    for k in range(LANES // 2):
        total = builder.add(total, builder.extract_element(first, _I32(k)))
    return total


def _vector(builder: Any, start: Any, offset: Any) -> Any:
    """Sixteen numbers from a place on, which may be unaligned."""
    found = builder.load(builder.bitcast(builder.gep(start, [offset]), _NARROW.as_pointer()))
    found.align = 4
    return found


def _fetch_ahead(builder: Any, lines: list[Any], offset: Any) -> None:
    """Begin to fetch what is read some steps later; beyond the end that does nothing."""
    kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
    fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    to_read, second_cache, data = _I32(0), _I32(2), _I32(1)
    for line in lines:
        place = builder.bitcast(builder.gep(line, [offset]), _I8.as_pointer())
        builder.call(fetch, [place, to_read, second_cache, data])


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Sixteen vectors of sixteen, by exchanging halves of pairs, then halves of halves."""
    size = 1
    while size < LANES:
        even = [k if not k & size else LANES + (k ^ size) for k in range(LANES)]
        odd = [k | size if not k & size else LANES + k for k in range(LANES)]
        masks = [ir.Constant(ir.VectorType(_I32, LANES), chosen) for chosen in (even, odd)]
        for r in range(LANES):
            if not r & size:
                pair = rows[r], rows[r | size]
                rows[r], rows[r | size] = (builder.shuffle_vector(*pair, mask) for mask in masks)
        size *= 2
    return rows


def _add_products(builder: Any, x: Any, y: Any, totals: list[Any]) -> None:
    """Add the products of lanes 0, 2, … to the first of two totals, and those of 1, 3, … to the second."""
    half = ir.Constant(_WIDE, [32] * (LANES // 2))
    x, y = builder.bitcast(x, _WIDE), builder.bitcast(y, _WIDE)
    odd = [builder.ashr(one, half) for one in (x, y)]
    even = [builder.ashr(builder.shl(one, half), half) for one in (x, y)]  # the low half with its sign
    for total, (u, v) in zip(totals, (even, odd), strict=True):
        builder.store(builder.add(builder.load(total), builder.mul(u, v)), total)
