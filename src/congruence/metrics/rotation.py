"""Held-out rows under the rotation that lays one half of the pairs over the other, and what they are near.

The rotation is the orthogonal polar factor of xᵀy. It is found from inner products of rows or of columns
where these tell it, and by a decomposition where they don't.
"""

from typing import NamedTuple

import numba
import numpy as np
from jaxtyping import Float, Int
from scipy import linalg

from congruence.metrics import lapack
from congruence.metrics.blas import blocks, gram, in_parallel, product
from congruence.metrics.shared import ROWS, SharedRows
from congruence.metrics.splits import Split

UNDETERMINED = 1e-9
FEW = 600
"""Up to so many pairs or columns the decomposition itself is quick."""
CERTAIN = 1e-8
"""Products square the singular values: where the least is below 1e-4 of the largest they aren't used."""
UNEVEN = 1e-3
"""Nor where the mean eigenvalue of one side times the mean inverse one is above this over CERTAIN."""
ONE_MEAN = 0.9
"""Share of the squares of rows that is their mean's, from which centring products would lose a digit."""
DIGITS = 12


def translated_similarity(x: SharedRows, y: SharedRows, split: Split) -> Float[np.ndarray, "h h"]:
    """Cosines of the held-out x rows, mapped by the rotation fitted on the other half, with the y rows."""
    if FEW < len(split.fit) <= min(x.shape[1], y.shape[1]):
        found = _similarity_by_rows(_products(x, split), _products(y, split), _repeats(x, y, split))
        if found is not None:
            return found
    (fit_x, rows), (fit_y, wanted) = (_centred_on(side.rows, split) for side in (x, y))
    return _cosines(_mapped(rows, fit_x, fit_y), wanted)


def _centred_on(
    side: Float[np.ndarray, "n d"], split: Split
) -> tuple[Float[np.ndarray, "f d"], Float[np.ndarray, "h d"]]:
    """Both halves minus the mean of the one that is fitted on."""
    fit, held = side[split.fit], side[split.held]
    mean = fit.mean(axis=0)
    fit -= mean
    held -= mean
    return fit, held


def _mapped(
    rows: Float[np.ndarray, "h d_a"], x: Float[np.ndarray, "f d_a"], y: Float[np.ndarray, "f d_b"]
) -> Float[np.ndarray, "h d_b"]:
    """Rows under the rotation that lays x over y: from products of columns where these tell it, faster."""
    found = None
    if FEW < min(x.shape[1], y.shape[1]) < len(x):
        found = _mapped_by_columns(rows, x, y)
    if found is not None:
        return found
    u, vt = _rotation(x, y)
    return product(product(rows, u), vt)


def _mapped_by_columns(
    rows: Float[np.ndarray, "h d_a"], x: Float[np.ndarray, "f d_a"], y: Float[np.ndarray, "f d_b"]
) -> Float[np.ndarray, "h d_b"] | None:
    """The same by (m mᵀ)^-½ m with m = xᵀy, or m (mᵀm)^-½ where m is tall; None where it's uncertain."""
    m = product(x.T, y)
    wide = m.shape[0] <= m.shape[1]
    products = gram(m if wide else np.ascontiguousarray(m.T))
    values, vectors = lapack.eigh(products.T, most=len(products))
    if values[0] < CERTAIN * values[-1]:
        return None
    moved = product(rows if wide else product(rows, m), vectors) / np.sqrt(values)
    moved = product(moved, vectors.T)
    return product(moved, m) if wide else moved


class HalfProducts(NamedTuple):
    """Products of one side's rows, centred on the half that is fitted on.

    Attributes:
        fit: of the fitted rows with one another.
        across: of the held-out rows with the fitted ones.
        norms: of the held-out rows.
    """

    fit: Float[np.ndarray, "f f"]
    across: Float[np.ndarray, "h f"]
    norms: Float[np.ndarray, " h"]


class Repeats(NamedTuple):
    """Fitted rows that are the same taken together: a matrix q with a column for each different row.

    A row that is there k times has 1/√k in its k places: columns of q are orthonormal, and q qᵀ x is x.

    Attributes:
        order: the fitted rows, equal ones side by side.
        starts: where each different row begins in `order`.
        roots: √k.
    """

    order: Int[np.ndarray, " f"]
    starts: Int[np.ndarray, " m"]
    roots: Float[np.ndarray, " m"]

    def folded(self, side: HalfProducts) -> HalfProducts:
        """Products of qᵀ times the fitted rows."""
        if len(self.starts) == len(self.order):
            return side
        fit = self._columns(self._columns(side.fit).T)
        return HalfProducts(fit, self._columns(side.across), side.norms)

    def _columns(self, products: Float[np.ndarray, "r f"]) -> Float[np.ndarray, "r m"]:
        """Products times q."""
        return np.add.reduceat(products[:, self.order], self.starts, axis=1) / self.roots


def _repeats(x: SharedRows, y: SharedRows, split: Split) -> Repeats:
    """Which fitted rows are the same, on the side where more are: a feature can be several's partner."""
    numbers = min((_numbered(side.rows, split.fit) for side in (x, y)), key=np.max)
    counts = np.bincount(numbers)
    return Repeats(np.argsort(numbers, kind="stable"), np.cumsum(counts) - counts, np.sqrt(counts))


def _numbered(rows: Float[np.ndarray, "n d"], some: Int[np.ndarray, " f"]) -> Int[np.ndarray, " f"]:
    """Numbers of some rows, from 0 on in the order in which they come; equal rows have the same."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(rows[i].tobytes(), len(seen)) for i in some])


def _products(side: SharedRows, split: Split) -> HalfProducts:
    """From the products of all rows, where there are few enough and their mean is not most of them."""
    if len(side) <= ROWS:
        products, own = side.products(), side.products().diagonal()
        means = _means(products, split.fit)
        level = float(means[split.fit].mean())
        left = (own - 2 * means + level)[split.held]
        if level < ONE_MEAN * own[split.fit].mean() and (left > (1 - ONE_MEAN) * own[split.held]).all():
            fit, across = (_centred(products, means, level, of, split.fit) for of in (split.fit, split.held))
            return HalfProducts(fit, across, np.sqrt(left))
    fitted, held = _centred_on(side.rows, split)
    return HalfProducts(gram(fitted), product(held, fitted.T), np.linalg.norm(held, axis=1))


@numba.njit(nogil=True, cache=True)
def _means(products, rows):
    """Mean of some rows."""
    out = np.zeros(products.shape[1])
    for i in rows:
        for j in range(len(out)):
            out[j] += products[i, j]
    return out / len(rows)


@numba.njit(nogil=True, cache=True)
def _centred(products, means, level, rows, columns):
    """Products of some rows with others, all minus the mean row, whose own product is `level`."""
    out = np.empty((len(rows), len(columns)))
    for i in range(len(rows)):
        row, shift = products[rows[i]], means[rows[i]] - level
        for j in range(len(columns)):
            out[i, j] = row[columns[j]] - (shift + means[columns[j]])
    return out


def _similarity_by_rows(
    x: HalfProducts, y: HalfProducts, repeats: Repeats
) -> Float[np.ndarray, "h h"] | None:
    """The same cosines where pairs are fewer than columns; None where products leave them uncertain.

    With a = x xᵀ, b = y yᵀ = l lᵀ and lᵀ a l = z w zᵀ the rotation is xᵀ l z w^-½ zᵀ l⁻¹ y. Nothing of it is
    made: rows of x map to rows of x xᵀ l z w^-½ in coordinates in which those of y are zᵀ l⁻¹ y yᵀ, and
    lengths stay. Centred rows depend on one another by their sum alone: it is given the mean eigenvalue,
    which no product with held-out rows sees. Rows that repeat depend on one another too: xᵀy is (qᵀx)ᵀ(qᵀy),
    whose rows don't.
    """
    x, y = repeats.folded(x), repeats.folded(y)
    of_sum = np.outer(repeats.roots, repeats.roots)
    a, b = (side.fit + np.trace(side.fit) / (len(side.fit) * len(repeats.order)) * of_sum for side in (x, y))
    root = lapack.cholesky(np.array(b.T, order="F"))
    if root is None:
        return None
    inverse = lapack.inverse_of_triangle(root)
    spread = float(np.einsum("ij,ij->", inverse, inverse)) * float(np.trace(b)) / len(b) ** 2
    if spread * CERTAIN > UNEVEN:
        return None
    w, z = lapack.eigh(lapack.between_factors(a.T, root))
    if not w[0] > CERTAIN * w[-1]:
        return None
    moved = product(x.across, lapack.times_triangle(root, z)) / np.sqrt(w)
    wanted = product(z.T, lapack.times_triangle(root, y.across.T, inverse=True))
    return _over_norms(product(moved, wanted), np.linalg.norm(moved, axis=1), y.norms)


def _rotation(
    x: Float[np.ndarray, "f d_a"], y: Float[np.ndarray, "f d_b"]
) -> tuple[Float[np.ndarray, "d_a r"], Float[np.ndarray, "r d_b"]]:
    """The orthogonal polar factor of xᵀy, in two parts.

    Directions that the fitted half doesn't determine (more columns than rows) are left out: any completion
    would map held-out rows by chance. More columns than rows are first turned into as many, which halves
    the time.
    """
    (basis_a, x), (basis_b, y) = in_parallel(_at_most_as_wide, [x, y])
    u, s, vt = linalg.svd(product(x.T, y), full_matrices=False, check_finite=False)
    rank = int((s > s[0] * UNDETERMINED).sum())
    u, vt = u[:, :rank], vt[:rank]
    return (
        u if basis_a is None else product(basis_a, u),
        vt if basis_b is None else product(vt, np.ascontiguousarray(basis_b.T)),
    )


def _at_most_as_wide(
    x: Float[np.ndarray, "f d"],
) -> tuple[Float[np.ndarray, "d f"] | None, Float[np.ndarray, "f w"]]:
    """An orthonormal basis of the rows' span and the rows in it; or no basis and the rows as they are."""
    if x.shape[1] <= x.shape[0]:
        return None, x
    basis, rows = np.linalg.qr(x.T)
    return basis, np.ascontiguousarray(rows.T)


def _cosines(a: Float[np.ndarray, "h d"], b: Float[np.ndarray, "h d"]) -> Float[np.ndarray, "h h"]:
    return _over_norms(product(a, b.T), np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def _over_norms(
    out: Float[np.ndarray, "h h"], norms_a: Float[np.ndarray, " h"], norms_b: Float[np.ndarray, " h"]
) -> Float[np.ndarray, "h h"]:
    """Products over the norms of what was multiplied, rounded, in place."""
    for rows in blocks(len(out)):
        norms = np.outer(norms_a[rows], norms_b)
        out[rows] /= np.where(norms > 0, norms, np.inf)
        np.round(out[rows], DIGITS, out=out[rows])
    return out
