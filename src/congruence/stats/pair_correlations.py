"""Given pairs: their similarities, and their correlations under many weightings of the documents."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from congruence.errors import InputError
from congruence.stats.correlation import prepare_pair
from congruence.stats.documents import kept_offsets
from congruence.stats.kernels_scan import similarity_of
from congruence.stats.layout import Columns, build_columns
from congruence.stats.prepared import PreparedActs
from congruence.stats.scaling import check_measure, readable
from congruence.threads import in_runs

_SUMS_AT_ONCE = 1 << 22


def pair_correlations(
    acts_a: Any,
    acts_b: Any,
    feature_a: Int[np.ndarray, " p"],
    feature_b: Int[np.ndarray, " p"],
    *,
    weights: Float[np.ndarray, "draws documents"],
    document_offsets: np.ndarray | None = None,
) -> Float[np.ndarray, "draws p"]:
    """Pearson r of each pair when document d counts weights[draw, d] times.

    With :func:`half_weights` the pairs found on half of the documents are held against the other half; with
    :func:`bootstrap_weights` the draws are a bootstrap by document. The sums of x, x^2, y, y^2 and x y by
    document are taken once for all draws.

    Args:
        acts_a, acts_b: (n, f) and (n, g) activations, as for :func:`correlate`.
        feature_a, feature_b: (p,) the pairs.
        weights: (draws, documents) how often each document counts.
        document_offsets: (documents + 1,) first row of each document, and n at the end; needless where the
            activations bring their own.

    Returns:
        (draws, p) r; NaN where a feature doesn't vary in a draw.

    Raises:
        InputError: nobody says where documents begin, or `weights` is for another number of them.
    """
    a, b = prepare_pair(acts_a, acts_b)
    offsets = offsets_of(a, b, document_offsets)
    if weights.shape[1] != len(offsets) - 1:
        raise InputError(f"weights are for {weights.shape[1]} documents: there are {len(offsets) - 1}")
    document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.argsort(feature_a, kind="stable")
    columns_a, place_a = _columns(a, feature_a[order])
    columns_b, place_b = _columns(b, feature_b[order])
    sums_a, sums_b = _weighted(columns_a, document, weights), _weighted(columns_b, document, weights)
    out = np.empty((len(weights), len(feature_a)))
    step = max(1, _SUMS_AT_ONCE // len(offsets))
    for start in range(0, len(order), step):
        chunk = slice(start, start + step)
        products = np.zeros((len(order[chunk]), len(offsets) - 1))
        pair_sums(place_a[chunk], place_b[chunk], _arrays(columns_a), _arrays(columns_b), document, products)
        own_a, own_b = sums_a[:, :, place_a[chunk]], sums_b[:, :, place_b[chunk]]
        out[:, order[chunk]] = _r(weights @ products.T, own_a, own_b, weights @ np.diff(offsets))
    return out


def pair_similarities(
    acts_a: Any,
    acts_b: Any,
    feature_a: Int[np.ndarray, " p"],
    feature_b: Int[np.ndarray, " p"],
    *,
    measure: str = "pearson",
    mask: np.ndarray | None = None,
) -> tuple[Float[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Similarity and co-firings of given pairs, by the formulas of :func:`correlate`.

    One pass over each side; memory 8 bytes an entry of the features in pairs, and 9 n a thread's share. The
    same bits for any number of threads.

    Args:
        acts_a, acts_b, measure, mask: as for :func:`correlate`.
        feature_a, feature_b: (p,) the pairs.

    Returns:
        (p,) similarity, NaN where a feature doesn't vary; (p,) tokens on which both fire.

    Raises:
        InputError, ConfigError: as :func:`correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b, mask=mask)
    check_measure(measure)
    order = np.argsort(feature_b, kind="stable")
    columns_a, place_a = _columns(a, feature_a[order], measure)
    columns_b, place_b = _columns(b, feature_b[order], measure)
    scaling_a, scaling_b = a.scaling(measure), b.scaling(measure)
    firings_a, firings_b = (side.moments.firings.astype(np.float64) for side in (a, b))
    side_a = tuple(part[columns_a.features] for part in (firings_a, scaling_a.shift, scaling_a.extra))
    side_b = tuple(part[columns_b.features] for part in (firings_b, scaling_b.weight))
    values, counts = np.zeros(len(order)), np.zeros(len(order), np.int64)

    def work(lo: int, hi: int) -> None:
        layouts = (columns_a.arrays, columns_b.arrays, a.shape[0])
        terms = (scaling_a.kind, side_a, side_b, values, counts)
        inputs: tuple[Any, ...] = (lo, hi, place_a, place_b, *layouts, *terms)
        similarities_of_pairs(*inputs)

    in_runs(work, len(order))
    similarity, cofirings = np.empty_like(values), np.empty_like(counts)
    similarity[order], cofirings[order] = readable(values, measure), counts
    similarity[a.moments.constant[feature_a] | b.moments.constant[feature_b]] = np.nan
    return similarity, cofirings


def offsets_of(a: PreparedActs, b: PreparedActs, given: np.ndarray | None = None) -> np.ndarray:
    """Where the documents begin, from whoever knows.

    Raises:
        InputError: nobody does, or what is given doesn't fit.
    """
    offsets = kept_offsets(given, None, a.shape[0])
    for known in (offsets, a.document_offsets, b.document_offsets):
        if known is not None:
            return known
    raise InputError("document_offsets is missing: give the first row of each document, and n at the end")


def _columns(side: PreparedActs, wanted: np.ndarray, measure: str = "pearson") -> tuple[Columns, np.ndarray]:
    """The columns of the features wanted, each once, and the place of each wanted one among them."""
    features, place = np.unique(wanted, return_inverse=True)
    return build_columns(side.source, side.moments, side.scaling(measure), features), place


def _arrays(columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return columns.pointer, columns.token, columns.value


def _weighted(columns: Columns, document: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(2, draws, features) weighted sums of x and of x^2."""
    shape = (len(columns.features), weights.shape[1])
    sums, squares = np.zeros(shape), np.zeros(shape)
    feature_sums(*_arrays(columns), document, sums, squares)
    return np.stack([weights @ sums.T, weights @ squares.T])


def _r(products: np.ndarray, own_a: np.ndarray, own_b: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    n = tokens[:, None]
    covariance = n * products - own_a[0] * own_b[0]
    variance_a, variance_b = (n * own[1] - own[0] ** 2 for own in (own_a, own_b))
    # What is left of equal numbers after rounding is no variance.
    varies = (variance_a > 1e-12 * n * own_a[1]) & (variance_b > 1e-12 * n * own_b[1])
    scale = np.sqrt(variance_a * variance_b, where=varies, out=np.ones_like(covariance))
    return np.where(varies, np.clip(covariance / scale, -1.0, 1.0), np.nan)


@njit(cache=True, nogil=True)
def feature_sums(pointer, token, value, document, sums, squares):
    """Add each column's values, and their squares, to the column's sums by document."""
    for c in range(len(pointer) - 1):
        for p in range(pointer[c], pointer[c + 1]):
            v = np.float64(value[p])
            sums[c, document[token[p]]] += v
            squares[c, document[token[p]]] += v * v


@njit(cache=True, nogil=True)
def pair_sums(column_a, column_b, columns_a, columns_b, document, products):
    """Add the products of each pair of columns to the pair's sums by document; pairs come by A column."""
    pointer_a, token_a, value_a = columns_a
    pointer_b, token_b, value_b = columns_b
    spread = np.zeros(len(document))
    current = -1
    for pair in range(len(column_a)):
        a, b = column_a[pair], column_b[pair]
        if a != current:
            if current >= 0:
                for p in range(pointer_a[current], pointer_a[current + 1]):
                    spread[token_a[p]] = 0.0
            for p in range(pointer_a[a], pointer_a[a + 1]):
                spread[token_a[p]] = value_a[p]
            current = a
        for p in range(pointer_b[b], pointer_b[b + 1]):
            t = token_b[p]
            products[pair, document[t]] += spread[t] * value_b[p]


@njit(cache=True, nogil=True)
def similarities_of_pairs(
    lo, hi, column_a, column_b, columns_a, columns_b, n, kind, side_a, side_b, values, counts
):
    """Write similarity, in the terms of `similarity_of`, and co-firings of the pairs lo..hi.

    Pairs come by B column. Sums are taken in the order of A's entries, as where subsets are paired.
    """
    pointer_a, fire_a, token_a, value_a = columns_a
    pointer_b, fire_b, token_b, value_b = columns_b
    firings_a, shift, extra = side_a
    firings_b, weight = side_b
    spread, fires = np.zeros(n), np.zeros(n, np.bool_)
    current = -1
    for pair in range(lo, hi):
        a, b = column_a[pair], column_b[pair]
        if b != current:
            if current >= 0:
                for p in range(pointer_b[current], pointer_b[current + 1]):
                    spread[token_b[p]], fires[token_b[p]] = 0.0, False
            for p in range(pointer_b[b], pointer_b[b + 1]):
                spread[token_b[p]], fires[token_b[p]] = value_b[p], p < fire_b[b]
            current = b
        s, together = 0.0, 0
        for p in range(pointer_a[a], pointer_a[a + 1]):
            s += np.float64(value_a[p]) * spread[token_a[p]]
            together += (p < fire_a[a]) & fires[token_a[p]]
        counts[pair] = together
        values[pair] = similarity_of(
            kind, s, np.float64(together), firings_a[a], shift[a], extra[a], weight[b], firings_b[b]
        )
