"""The graph above a threshold, the whole matrix, and the prices of an assignment, on a case done by hand."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import correlation_graph, full_correlation, prepare
from congruence.stats.sparse_engine import SparseJob
from congruence.stats.sparse_pairs import best_above_prices

# Jaccard: A0 fires on tokens 0-3, A1 on 4-5, A2 never; B0 on 2-5, B1 on 0-3.
A = np.array([[1, 0, 0], [1, 0, 0], [2, 0, 0], [1, 0, 0], [0, 1, 0], [0, 3, 0], [0, 0, 0]], float)
B = np.array([[0, 1], [0, 1], [1, 1], [1, 1], [1, 0], [1, 0], [0, 0]], float)
JACCARD = np.array([[2 / 6, 1.0], [2 / 4, 0.0], [np.nan, np.nan]])


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_whole_matrix_by_hand(engine):
    np.testing.assert_allclose(full_correlation(A, B, measure="jaccard", engine=engine), JACCARD, atol=1e-7)
    distances = full_correlation(A, B, measure="euclidean", engine=engine)
    assert distances[0, 1] == pytest.approx(-1.0)
    assert distances[1, 0] == pytest.approx(-np.sqrt(6.0))


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_a_mask_and_a_minimum_of_cofirings_hold_in_the_graph(engine):
    graph = correlation_graph(A, B, threshold=0.1, measure="jaccard", engine=engine, min_cofirings=3)
    assert list(zip(*graph.values.nonzero(), strict=True)) == [(0, 1)]
    assert graph.cofirings.data.tolist() == [4]
    mask = np.array([False, False, True, True, True, True, True])
    masked = full_correlation(A, B, measure="jaccard", engine=engine, mask=mask)
    np.testing.assert_allclose(masked[:2], [[2 / 4, 1.0], [2 / 4, 0.0]], atol=1e-7)


def test_every_distance_reaches_a_threshold_above_zero_for_none():
    assert len(correlation_graph(A, B, threshold=1.0, measure="euclidean")) == 0
    assert len(correlation_graph(A, B, threshold=-1.5, measure="euclidean")) == 1


def test_prices_leave_what_exceeds_them():
    a, b = prepare(sparse.csr_array(A)), prepare(sparse.csr_array(B))
    job = SparseJob(a, b, "jaccard", threads=2)
    excess, indices, counts = best_above_prices(
        job, np.array([0.3, 0.1, 0.0]), np.array([0.2, 0.6]), top_k=2, least=0.05
    )
    assert indices.tolist() == [[1, -1], [0, -1], [-1, -1]]
    np.testing.assert_allclose(excess[:2, 0], [0.1, 0.2])
    assert counts[:2, 0].tolist() == [4, 2]
