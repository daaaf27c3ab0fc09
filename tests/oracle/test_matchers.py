"""Matchers against the slow, obvious pairing on the whole matrix of similarities."""

import importlib

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from congruence.matching import (
    MATCHERS,
    assignment,
    assignment_from_graph,
    greedy,
    greedy_from_graph,
    match,
    match_decoders,
    mutual_best_from_graph,
    transport_plan,
)
from congruence.stats import correlation_graph, full_correlation
from slow_similarity import MEASURES, random_acts, slow_cofirings, slow_greedy

greedy_module = importlib.import_module("congruence.matching.greedy")
assignment_module = importlib.import_module("congruence.matching.assignment")

SIZES = [(50, 30, 40, 0.1), (100, 60, 50, 0.05), (300, 50, 60, 0.002), (80, 30, 30, 0.7)]


def _case(n: int, f: int, g: int, density: float) -> tuple[sparse.csr_array, sparse.csr_array, np.ndarray]:
    rng = np.random.default_rng(n)
    a, b = random_acts(rng, n, f, density), random_acts(rng, n, g, density)
    a[:, 0] = 1.0
    return sparse.csr_array(a), sparse.csr_array(b), slow_cofirings(a, b)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("sorted_pairs", "listed"), [(0, 2), (200, 2), (1 << 24, 16)])
def test_greedy_is_exact_on_every_path(size, measure, sorted_pairs, listed, monkeypatch):
    monkeypatch.setattr(greedy_module, "_SORTED_PAIRS", sorted_pairs)
    monkeypatch.setattr(greedy_module, "_LIST", listed)
    a, b, cofirings = _case(*size)
    values = full_correlation(a, b, measure=measure, engine="sparse")
    found = greedy(a, b, measure=measure)
    assert list(zip(found.feature_a, found.feature_b, strict=True)) == slow_greedy(values)
    np.testing.assert_allclose(found.r, values[found.feature_a, found.feature_b], atol=1e-9)
    np.testing.assert_array_equal(found.cofirings, cofirings[found.feature_a, found.feature_b])


def test_greedy_heeds_the_minimum_of_cofirings():
    a, b, cofirings = _case(200, 40, 50, 0.1)
    values = full_correlation(a, b, engine="sparse")
    found = greedy(a, b, min_cofirings=3)
    expected = slow_greedy(np.where(cofirings >= 3, values, np.nan))
    assert list(zip(found.feature_a, found.feature_b, strict=True)) == expected


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("full_cells", [0, 1 << 22])
def test_assignment_reaches_the_greatest_sum(size, measure, full_cells, monkeypatch):
    monkeypatch.setattr(assignment_module, "_FULL_CELLS", full_cells)
    a, b, cofirings = _case(*size)
    values = full_correlation(a, b, measure=measure)
    varying = values[~np.isnan(values).all(axis=1)][:, ~np.isnan(values).all(axis=0)]
    found = assignment(a, b, measure=measure)
    assert len(found) == len(set(found.feature_a)) == len(set(found.feature_b)) == min(varying.shape)
    best = varying[linear_sum_assignment(varying, maximize=True)].sum()
    assert found.total == pytest.approx(best, abs=1e-6)
    np.testing.assert_allclose(found.r, values[found.feature_a, found.feature_b], atol=1e-6)
    np.testing.assert_array_equal(found.cofirings, cofirings[found.feature_a, found.feature_b])


def test_assignment_with_a_minimum_of_cofirings_may_leave_features_single():
    a, b, cofirings = _case(200, 40, 50, 0.1)
    values = full_correlation(a, b)
    allowed = np.where((cofirings >= 4) & (values > 0), values, 0.0)
    found = assignment(a, b, min_cofirings=4)
    assert found.total == pytest.approx(
        allowed[linear_sum_assignment(allowed, maximize=True)].sum(), abs=1e-6
    )
    assert (found.cofirings >= 4).all()


def test_graph_matchers_are_exact_above_the_threshold():
    a, b, _ = _case(300, 60, 70, 0.05)
    values = full_correlation(a, b)
    graph = correlation_graph(a, b, threshold=0.08)
    whole = greedy(a, b)
    part = greedy_from_graph(graph)
    assert part.feature_a.tolist() == whole.feature_a[whole.r >= 0.08].tolist()
    listed = np.where(values >= 0.08, values, 0.0)
    best = listed[linear_sum_assignment(np.nan_to_num(listed), maximize=True)].sum()
    assert assignment_from_graph(graph).total == pytest.approx(best, abs=1e-6)
    mutual = match(a, b, method="mutual_best")
    assert mutual_best_from_graph(graph).feature_b.tolist() == mutual.feature_b[mutual.r >= 0.08].tolist()


@pytest.mark.parametrize("method", sorted(set(MATCHERS) - {"crosscoder", "decoder_cosine"}))
def test_every_record_agrees_with_the_whole_matrix(method):
    a, b, cofirings = _case(150, 40, 50, 0.1)
    values = full_correlation(a, b)
    found = match(a, b, method=method, from_="a", keep="best")
    i, j = found.feature_a, found.feature_b
    filled = np.where(np.isnan(values), -np.inf, values)
    np.testing.assert_allclose(found.r, values[i, j], atol=1e-6)
    np.testing.assert_array_equal(found.cofirings, cofirings[i, j])
    np.testing.assert_array_equal(found.firings_a, np.diff(a.tocsc().indptr)[i])
    np.testing.assert_array_equal(found.firings_b, np.diff(b.tocsc().indptr)[j])
    others = filled[i].copy()
    others[np.arange(len(i)), j] = -np.inf
    np.testing.assert_allclose(found.margin, found.r - others.max(axis=1), atol=1e-6)
    mutual = (filled[i].argmax(axis=1) == j) & (filled[:, j].argmax(axis=0) == i)
    np.testing.assert_array_equal(found.mutual, mutual)
    assert found.unmatched == {"a": 1, "b": 0}
    assert found.objective
    assert found.measure == "pearson"
    if method != "transport":
        assert found.total == pytest.approx(found.r.sum())


def test_transport_plan_has_its_margins_and_tends_to_the_assignment():
    similarity = np.random.default_rng(0).random((8, 8))
    plan = transport_plan(similarity, epsilon=0.01, max_iterations=500)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 8, rtol=1e-9)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 8, rtol=1e-9)
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    assert 8 * (plan * similarity).sum() == pytest.approx(similarity[rows, columns].sum(), abs=0.05)


def test_decoder_cosine_finds_a_permuted_dictionary():
    rng = np.random.default_rng(0)
    decoder, order = rng.normal(size=(30, 16)), rng.permutation(30)
    found = match_decoders(decoder, 2.5 * decoder[order])
    assert order[found.feature_b].tolist() == found.feature_a.tolist() == list(range(30))
    np.testing.assert_allclose(found.r, 1.0, atol=1e-6)
    with pytest.raises(ValueError, match="dimensions"):
        match_decoders(decoder, decoder[:, :8])
