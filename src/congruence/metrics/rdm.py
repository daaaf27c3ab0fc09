"""Condensed representational dissimilarity matrices: one number for each pair of rows i < j.

Filled block by block, so that nothing larger than the triangle itself (4 n² bytes in float64) is held.
"""

from collections.abc import Callable

import numba
import numpy as np
from jaxtyping import Float, Shaped

from congruence.metrics.blas import BLOCK_ROWS, in_parallel
from congruence.metrics.inputs import to_unit_rows
from congruence.metrics.shared import SharedRows

KINDS = ("correlation", "euclidean", "cosine")
BLOCK_NUMBERS = 16_000_000
NEAR = 1e-6
TIE = 1e-12
LEFT = 0.01
"""Of a row's squared norm: what must be left once its mean is taken off, or digits are lost."""


def condensed(
    x: Float[np.ndarray, "n d"], kind: str, name: str, *, out: Float[np.ndarray, " pairs"] | None = None
) -> Float[np.ndarray, " pairs"]:
    """Distances between rows, upper triangle row by row: (0,1), (0,2), …, (n−2,n−1).

    Args:
        x: (n, d) rows.
        kind: "correlation" (1 − Pearson r of two rows), "cosine" (1 − cosine) or "euclidean".
        name: what to call this side in an error.
        out: where to write them.

    Raises:
        InputError: a row has no direction (zero, or constant under "correlation").
    """
    triangle = np.empty(len(x) * (len(x) - 1) // 2) if out is None else out

    def put(start: int, distances: Float[np.ndarray, " m"]) -> None:
        triangle[start : start + len(distances)] = distances

    over_rows(put, ready(x, kind, name), kind)
    return triangle


def ready(x: Float[np.ndarray, "n d"], kind: str, name: str) -> Float[np.ndarray, "n d"]:
    """Rows as their distances are read off products: at unit norm, or centred where they are Euclidean.

    Raises:
        InputError: a row has no direction (zero, or constant under "correlation").
    """
    if kind == "euclidean":
        return x - x.mean(axis=0)
    return to_unit_rows(x, name, center=kind == "correlation")


def over_rows(
    work: Callable[[int, Float[np.ndarray, " m"]], None], rows: Float[np.ndarray, "n d"], kind: str
) -> None:
    """Call work(place in the triangle, distances to all later rows) for each of the rows made `ready`."""
    n = len(rows)

    def each(first: int, block: Float[np.ndarray, "b m"]) -> None:
        start = first * (2 * n - first - 1) // 2
        for i, row in enumerate(block):
            work(start, row[i + 1 :])
            start += len(row) - i - 1

    over_blocks(each, rows, kind, upper=True)


def furthest(rows: Float[np.ndarray, "n d"], kind: str) -> float:
    """A distance that no two of the rows made `ready` are further apart than."""
    return 2.0 if kind != "euclidean" else 2 * float(np.sqrt((rows**2).sum(axis=1).max()))


def of_products(
    side: SharedRows, kind: str, *, out: Float[np.ndarray, " pairs"]
) -> tuple[float, float] | None:
    """`condensed`, "correlation" or "cosine", from the products of rows.

    Returns:
        The least and the greatest distance; None where products can't tell them (a row that is 0 or nearly
        constant).
    """
    products, width = side.products(), side.shape[1]
    norms = np.ascontiguousarray(products.diagonal())
    moved = np.zeros(len(norms))
    if kind == "correlation":
        moved = side.rows.mean(axis=1) * np.sqrt(width)
    left = norms - moved**2
    if (left <= LEFT * norms).any():
        return None
    return _distances(products, moved, 1 / np.sqrt(left), out)


@numba.njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _distances(products, moved, scale, out):
    """1 − cosine of every two rows, moved along the constant direction; and the least and the greatest."""
    low, high, start = np.inf, -np.inf, 0
    for i in range(len(products) - 1):
        row, to = products[i, i + 1 :], out[start : start + len(products) - 1 - i]
        start += len(row)
        own_move, own_scale = moved[i], scale[i]
        others, scales = moved[i + 1 :], scale[i + 1 :]
        for j in range(len(row)):
            apart = 1 - (row[j] - own_move * others[j]) * (own_scale * scales[j])
            to[j] = apart
            low, high = min(low, apart), max(high, apart)
    return low, high


def extremes(triangle: Float[np.ndarray, " pairs"]) -> tuple[float, float]:
    """The least and the greatest distance."""
    return float(triangle.min()), float(triangle.max())


def over_blocks(
    work: Callable[[int, Float[np.ndarray, "b m"]], None],
    rows: Float[np.ndarray, "n d"],
    kind: str,
    *,
    upper: bool = False,
) -> None:
    """Call work(number of a block's first row, its distances to all rows) for blocks of rows, in parallel.

    Rows are of unit norm already unless `kind` is "euclidean". With `upper`, only the distances to the
    block's first row and those after it. The size of blocks follows from n alone, so no distance depends on
    the number of threads.
    """
    distances = _euclidean if kind == "euclidean" else _one_minus_product
    size = max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // len(rows)))

    def one(first: int) -> None:
        work(first, distances(rows[first : first + size], rows[first if upper else 0 :]))

    in_parallel(one, range(0, len(rows), size))


def square(triangle: Shaped[np.ndarray, " pairs"], n: int) -> Shaped[np.ndarray, "n n"]:
    """The symmetric matrix of a condensed triangle, zeros on the diagonal."""
    buffer = np.empty(n * n, dtype=triangle.dtype)
    buffer[: len(triangle)] = triangle
    return unfolded(buffer, n)


def unfolded(buffer: Shaped[np.ndarray, " n_squared"], n: int) -> Shaped[np.ndarray, "n n"]:
    """The same in place: `buffer` (n²,) begins with the condensed triangle, and becomes the matrix.

    The last row moves first: each goes to where nothing that is still wanted stands.
    """
    full = buffer.reshape(n, n)
    end = n * (n - 1) // 2
    for i in range(n - 2, -1, -1):
        width = n - 1 - i
        full[i, i + 1 :] = buffer[end - width : end].copy()
        full[i + 1, : i + 2] = 0
        end -= width
    full[0, 0] = 0
    _mirror(full)
    return full


def _mirror(full: Shaped[np.ndarray, "n n"]) -> None:
    """Copy the upper triangle onto the lower one, in tiles that stay in cache."""
    tile = 256
    for i in range(0, len(full), tile):
        for j in range(i, len(full), tile):
            upper = full[i : i + tile, j : j + tile]
            if i == j:
                upper += np.triu(upper, 1).T
            else:
                full[j : j + tile, i : i + tile] = upper.T


def _one_minus_product(
    rows: Float[np.ndarray, "b d"], others: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, "b m"]:
    out = rows @ others.T
    return np.subtract(1, out, out=out)


def _euclidean(rows: Float[np.ndarray, "b d"], others: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "b m"]:
    """From the products; where that cancels (rows nearly equal), from the differences."""
    squares_a, squares_b = (rows**2).sum(axis=1)[:, None], (others**2).sum(axis=1)[None, :]
    squared = squares_a + squares_b - 2 * (rows @ others.T)
    near = np.argwhere(squared < NEAR * (squares_a + squares_b))
    for part in np.array_split(near, 1 + len(near) * rows.shape[1] // BLOCK_NUMBERS):
        i, j = part.T
        squared[i, j] = ((rows[i] - others[j]) ** 2).sum(axis=1)
    return np.sqrt(np.maximum(squared, 0.0, out=squared), out=squared)
