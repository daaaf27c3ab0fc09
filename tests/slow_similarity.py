"""Each similarity of every pair of features, column by column in float64: the slow obvious way."""

import numpy as np

MEASURES = ("pearson", "cosine", "euclidean", "jaccard")


def random_acts(rng: np.random.Generator, n: int, features: int, density: float) -> np.ndarray:
    """(n, features) float64: exponential where a coin falls, else 0."""
    return (rng.random((n, features)) < density) * rng.exponential(size=(n, features))


def slow_similarity(a: np.ndarray, b: np.ndarray, measure: str) -> np.ndarray:
    """(f, g) similarity; NaN where either feature is constant."""
    with np.errstate(all="ignore"):
        values = _SLOW[measure](a.astype(np.float64), b.astype(np.float64))
    values[(a == a[:1]).all(axis=0)] = np.nan
    values[:, (b == b[:1]).all(axis=0)] = np.nan
    return values


def slow_cofirings(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(f, g) tokens on which both fire."""
    return (a != 0).T.astype(np.int64) @ (b != 0).astype(np.int64)


def slow_greedy(values: np.ndarray) -> list[tuple[int, int]]:
    """The best pair again and again; ties to the lowest A, then B feature."""
    left = np.where(np.isnan(values), -np.inf, values)
    pairs = []
    while left.size and left.max() > -np.inf:
        i, j = np.unravel_index(np.argmax(left), left.shape)
        pairs.append((int(i), int(j)))
        left[i], left[:, j] = -np.inf, -np.inf
    return sorted(pairs)


def check_best(best, values: np.ndarray, cofirings: np.ndarray, *, top_k: int, fewest: int = 1, atol=1e-6):
    """A direction of a correlation holds the `top_k` best of each row of the slow matrix."""
    allowed = ~np.isnan(values) & ((cofirings >= fewest) | (fewest <= 1))
    values = np.where(allowed, values, -np.inf)
    expected = -np.sort(-values, axis=1)[:, :top_k]
    expected = np.pad(expected, ((0, 0), (0, top_k - expected.shape[1])), constant_values=-np.inf)
    found = best.indices >= 0
    np.testing.assert_array_equal(found, expected > -np.inf)
    np.testing.assert_allclose(best.values, np.where(found, expected, np.nan), atol=atol)
    own = np.take_along_axis(values, np.maximum(best.indices, 0), axis=1)
    np.testing.assert_allclose(own[found], expected[found], atol=atol)
    counts = np.take_along_axis(cofirings, np.maximum(best.indices, 0), axis=1)
    np.testing.assert_array_equal(best.cofirings, np.where(found, counts, 0))
    for row, row_found in zip(best.indices, found, strict=True):
        assert len(set(row[row_found])) == row_found.sum()


def _pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.corrcoef(a.T, b.T)[: a.shape[1], a.shape[1] :]


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.T @ b) / np.linalg.norm(a, axis=0)[:, None] / np.linalg.norm(b, axis=0)


def _euclidean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return -np.sqrt(((a.T[:, None] - b.T[None]) ** 2).sum(axis=2))


def _jaccard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    either = (a != 0).T[:, None] | (b != 0).T[None]
    return slow_cofirings(a, b) / either.sum(axis=2)


_SLOW = {"pearson": _pearson, "cosine": _cosine, "euclidean": _euclidean, "jaccard": _jaccard}
