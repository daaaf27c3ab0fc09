"""Each matcher on similarities chosen by hand: what it takes, what it maximises, and what it reaches."""

import re

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


def test_decoder_rows_find_the_partners_and_activations_tell_how_they_fire():
    rng = np.random.default_rng(5)
    rows_b = rng.normal(size=(12, 8))
    turned = np.array([7, 2, 2, 9, 0, 11, 4])
    rows_a = rows_b[turned] * rng.uniform(0.5, 2, (7, 1)) + 0.01 * rng.normal(size=(7, 8))
    acts_a = sparse.random_array((300, 7), density=0.3, format="csr", rng=rng)
    acts_b = sparse.random_array((300, 12), density=0.3, format="csr", rng=rng)
    acts_a = sparse.csr_array(acts_a.toarray() * (np.arange(7) != 4))  # feature 4 never fires
    found = match(acts_a, acts_b, method="decoder_cosine", from_="a", rows=(rows_a, rows_b))
    assert found.feature_a.tolist() == [0, 1, 2, 3, 5, 6]
    assert found.feature_b.tolist() == [7, 2, 2, 9, 11, 4]
    dense_a, dense_b = acts_a.toarray(), acts_b.toarray()
    pairs = list(zip(found.feature_a, found.feature_b, strict=True))
    r = [np.corrcoef(dense_a[:, i], dense_b[:, j])[0, 1] for i, j in pairs]
    np.testing.assert_allclose(found.r, r, atol=1e-6)
    together = [((dense_a[:, i] > 0) & (dense_b[:, j] > 0)).sum() for i, j in pairs]
    assert found.cofirings.tolist() == together
    assert found.firings_a.tolist() == (dense_a > 0).sum(0)[found.feature_a].tolist()
    back = match(acts_a, acts_b, method="decoder_cosine", rows=(rows_a, rows_b))
    cosine = (rows_a / np.linalg.norm(rows_a, axis=1, keepdims=True)) @ (
        rows_b / np.linalg.norm(rows_b, axis=1, keepdims=True)
    ).T
    cosine[4] = -2
    assert back.feature_a.tolist() == cosine.argmax(axis=0).tolist()
    assert len(match(acts_a, acts_b, method="decoder_cosine", rows=(rows_a, rows_b), min_cofirings=400)) == 0


@pytest.mark.parametrize(
    ("rows", "told"),
    [(None, "rows=(W_dec_a, W_dec_b)"), ((np.eye(7, 4), np.eye(12, 5)), "4 dimensions and W_dec_b 5")],
)
def test_decoder_rows_of_two_spaces_are_refused(rows, told):
    acts = [sparse.random_array((50, f), density=0.5, format="csr", rng=np.random.default_rng(f))
            for f in (7, 12)]  # fmt: skip
    with pytest.raises(InputError, match=re.escape(told)):
        match(*acts, method="decoder_cosine", rows=rows)
