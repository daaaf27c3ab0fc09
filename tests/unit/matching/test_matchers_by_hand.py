"""Each matcher on similarities chosen by hand: what it takes, what it maximises, and what it reaches."""

import numpy as np
import pytest
from scipy import sparse

from congruence.errors import InputError
from congruence.matching import (
    assignment,
    assignment_from_graph,
    correlation_of,
    greedy,
    greedy_from_graph,
    match,
    match_decoders,
    mutual_best,
    mutual_best_from_graph,
    transport,
    transport_plan,
)
from congruence.stats import correlate, correlation_graph

# Cosines of these columns: A0-B0 .9, A0-B1 .8, A1-B0 .8, A1-B1 .1: greedy takes .9 + .1, the best sum is .8 + .8.
SIMILARITY = np.array([[0.9, 0.8], [0.8, 0.1]])


def _columns_with(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit columns a_i = e_i and b_j whose cosine with a_i is similarity[i, j], and one more axis a column."""
    f, g = similarity.shape
    scale = 1.0 / (1.2 * np.sqrt((similarity**2).sum(axis=0).max()))
    rest = np.sqrt(1.0 - ((scale * similarity) ** 2).sum(axis=0))
    a, b = np.zeros((f + g, f)), np.zeros((f + g, g))
    a[np.arange(f), np.arange(f)] = 1.0
    b[:f], b[f + np.arange(g), np.arange(g)] = scale * similarity, rest
    return a, b


A, B = _columns_with(SIMILARITY)
UNIT = float((A.T @ B)[0, 0] / 0.9)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_greedy_takes_the_best_pair_first(kind):
    found = greedy(kind(A), kind(B), measure="cosine")
    assert list(zip(found.feature_a, found.feature_b, strict=True)) == [(0, 0), (1, 1)]
    assert found.total == pytest.approx(1.0 * UNIT)
    assert "best pair left" in found.objective


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_assignment_takes_the_greatest_sum(kind):
    found = assignment(kind(A), kind(B), measure="cosine")
    assert list(zip(found.feature_a, found.feature_b, strict=True)) == [(0, 1), (1, 0)]
    assert found.total == pytest.approx(1.6 * UNIT)
    assert "sum" in found.objective


def test_margin_is_held_against_the_best_other_partner():
    found = assignment(A, B, measure="cosine")
    # A0 got .8 and could have had .9; A1 got .8, its best, and the next is .1.
    np.testing.assert_allclose(found.margin, np.array([-0.1, 0.7]) * UNIT, atol=1e-12)
    assert found.mutual.tolist() == [False, False]
    assert greedy(A, B, measure="cosine").mutual.tolist() == [True, False]


def test_margin_without_a_second_partner_is_nan():
    one = match(A[:, :1], B[:, :1], method="greedy", measure="cosine")
    assert np.isnan(one.margin).all()


def test_mutual_best_leaves_the_others_out():
    found = mutual_best(correlate(A, B, measure="cosine", top_k=2))
    assert list(zip(found.feature_a, found.feature_b, strict=True)) == [(0, 0)]
    assert found.mutual.all()
    assert found.total == pytest.approx(0.9 * UNIT)


def test_greedy_takes_a_correlation_made_before():
    correlation = correlate(A, B, measure="cosine", top_k=2)
    found = greedy(A, B, correlation=correlation)
    assert found.measure == "cosine"
    assert found.feature_b.tolist() == [0, 1]
    with pytest.raises(InputError, match="correlation is of 2 x 2 features"):
        greedy(A[:, :1], B, correlation=correlation)


def test_graph_matchers_keep_to_the_threshold():
    graph = correlation_graph(A, B, threshold=0.5 * UNIT, measure="cosine")
    assert len(graph) == 3
    assert greedy_from_graph(graph).feature_a.tolist() == [0]
    assert mutual_best_from_graph(graph).feature_b.tolist() == [0]
    best = assignment_from_graph(graph)
    assert best.feature_b.tolist() == [1, 0]
    assert best.total == pytest.approx(1.6 * UNIT)
    listed = correlation_of(graph)
    assert listed.indices.tolist() == [[0, 1], [0, -1]]
    assert np.isnan(listed.values[1, 1])


def test_transport_reaches_the_greatest_sum_as_epsilon_falls():
    loose = transport(A, B, measure="cosine", epsilon=10.0)
    tight = transport(A, B, measure="cosine", epsilon=0.01)
    assert tight.feature_b.tolist() == [1, 0]
    assert tight.total == pytest.approx(1.6 * UNIT, abs=1e-3)
    # At a great epsilon everything goes everywhere in equal parts.
    assert loose.total == pytest.approx(2 * SIMILARITY.mean() * UNIT, abs=0.02)
    assert "entropy" in tight.objective


def test_transport_refuses_what_cannot_be():
    with pytest.raises(InputError, match="epsilon is 0"):
        transport_plan(SIMILARITY, epsilon=0.0)
    wide = sparse.random_array((9, 6_000), density=0.5, format="csr", rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="choose 'assignment' or 'greedy'"):
        transport(wide, wide)


@pytest.mark.parametrize("method", ["greedy", "assignment", "mutual_best", "many_to_one"])
def test_decoders_pair_by_direction(method):
    found = match_decoders(A.T, B.T, method=method)
    assert found.measure == "cosine"
    assert found.r.max() == pytest.approx((0.8 if method == "assignment" else 0.9) * UNIT)
