"""Bounds in place of most sums, where there are very many features: the same partners, bit for bit."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import correlate, prepare, prepared, sparse_engine, sparse_folded, sparse_partners
from congruence.stats.kernels_folded import fold, fold_bars, mark
from congruence.stats.layout import build_rows
from congruence.stats.split_rows import build_split_rows
from slow_similarity import check_best, random_acts, slow_cofirings, slow_similarity

_OFTEN = 40


@pytest.fixture
def folded(monkeypatch) -> list[int]:
    """Sides of any size are searched by bounds; how many were."""
    calls: list[int] = []
    whole = sparse_folded.search_folded
    monkeypatch.setattr(sparse_folded, "FOLDED_FROM", 0)
    monkeypatch.setattr(sparse_folded, "WORTH_IT", 0)
    monkeypatch.setattr(prepared, "OFTEN", _OFTEN)
    monkeypatch.setattr(
        sparse_partners, "search_folded", lambda job, *lists: (calls.append(1), whole(job, *lists))
    )
    return calls


def _uneven(seed: int, n: int = 400, f: int = 500) -> np.ndarray:
    """Activations of features that fire on anything between one token and nearly all."""
    rng = np.random.default_rng(seed)
    rates = np.minimum((np.arange(f) + 1.0) ** -0.8 * 1.6, 0.9)
    fires = rng.random((n, f)) < rng.permutation(rates)
    return (fires * (rng.exponential(size=(n, f)) + 0.05)).astype(np.float32)


def _unfolded(monkeypatch, a, b, **options):
    with monkeypatch.context() as context:
        context.setattr(sparse_folded, "FOLDED_FROM", 10**9)
        return correlate(a, b, engine="sparse", **options)


def _equal(one, other) -> None:
    for x, y in ((one.a_to_b, other.a_to_b), (one.b_to_a, other.b_to_a)):
        np.testing.assert_array_equal(x.values, y.values)
        np.testing.assert_array_equal(x.indices, y.indices)
        np.testing.assert_array_equal(x.cofirings, y.cofirings)


@pytest.mark.parametrize("measure", ["pearson", "cosine"])
@pytest.mark.parametrize(("top_k", "fewest"), [(1, 1), (3, 1), (2, 3)])
def test_partners_are_those_of_the_slow_way(measure, top_k, fewest, folded, monkeypatch):
    a, b = _uneven(0), _uneven(1, f=700)
    b[:, :30] = a[:, 100:130] * 2 + (np.random.default_rng(2).random((400, 30)) < 0.02)
    options = {"measure": measure, "top_k": top_k, "min_cofirings": fewest}
    acts = sparse.csr_array(a), sparse.csr_array(b)
    found = correlate(*acts, engine="sparse", **options)
    values, cofirings = slow_similarity(a, b, measure), slow_cofirings(a, b)
    check_best(found.a_to_b, values, cofirings, top_k=top_k, fewest=fewest)
    check_best(found.b_to_a, values.T, cofirings.T, top_k=top_k, fewest=fewest)
    assert folded
    _equal(found, _unfolded(monkeypatch, *acts, **options))


@pytest.mark.bits
def test_threads_groups_and_equal_features_change_nothing(folded, monkeypatch):
    a, b = _uneven(3), _uneven(4)
    a[:, 50:60], b[:, 70:80], b[:, 90:95] = a[:, 200:210], a[:, 200:210], 3 * a[:, 200:205]
    acts = sparse.csr_array(a), sparse.csr_array(b)
    whole = correlate(*acts, top_k=2, engine="sparse", threads=1)
    _equal(whole, correlate(*acts, top_k=2, engine="sparse", threads=4))
    monkeypatch.setattr(sparse_engine, "GROUP_ENTRIES", 1500)
    _equal(whole, correlate(*acts, top_k=2, engine="sparse", threads=2))
    _equal(whole, _unfolded(monkeypatch, *acts, top_k=2))
    assert len(folded) == 3


def test_features_that_fire_on_more_tokens_than_are_added_up_at_once(folded, monkeypatch):
    n = 12_000
    rng = np.random.default_rng(5)
    a, b = (sparse.random_array((n, 300), density=0.04, rng=rng, dtype=np.float32) for _ in range(2))
    often = (rng.random((n, 6)) * (rng.random((n, 6)) < [0.95, 0.8, 0.6, 0.45, 0.4, 0.05])).astype(np.float32)
    a, b = (sparse.csr_array(sparse.hstack([side, often])) for side in (a, b))
    found = correlate(a, b, top_k=2, engine="sparse")
    values = slow_similarity(a.toarray(), b.toarray(), "pearson")
    check_best(found.a_to_b, values, slow_cofirings(a.toarray(), b.toarray()), top_k=2)
    expected = _unfolded(monkeypatch, a, b, top_k=2)
    np.testing.assert_array_equal(found.a_to_b.indices, expected.a_to_b.indices)
    np.testing.assert_allclose(found.a_to_b.values, expected.a_to_b.values, atol=1e-9)
    assert folded


def test_a_huge_mean_of_a_tiny_variance_is_bounded_too(folded, monkeypatch):
    rng = np.random.default_rng(14)
    a, b = (_uneven(seed).astype(np.float64) for seed in (15, 16))
    b[:, :8] = 1e6 + 1e-7 * rng.normal(size=(400, 8))
    a[:, :4] = 1e6 + 1e-7 * rng.normal(size=(400, 4))
    acts = sparse.csr_array(a), sparse.csr_array(b)
    _equal(correlate(*acts, top_k=2, engine="sparse"), _unfolded(monkeypatch, *acts, top_k=2))
    assert folded


def test_a_feature_without_a_positive_partner_gets_its_true_best(folded):
    a, b = (random_acts(np.random.default_rng(seed), 120, 300, 0.06) for seed in (6, 7))
    a[100:], b[100:] = 0, 0
    a[100:105, 0], b[105:120, 0], a[:100, 0], b[:100, 0] = 1.0, 2.0, 0, 0
    found = correlate(sparse.csr_array(a), sparse.csr_array(b), top_k=2, engine="sparse")
    values = slow_similarity(a, b, "pearson")
    check_best(found.a_to_b, values, slow_cofirings(a, b), top_k=2)
    check_best(found.b_to_a, values.T, slow_cofirings(a, b).T, top_k=2)
    assert folded


@pytest.mark.parametrize("measure", ["pearson", "jaccard"])
def test_what_has_no_bound_is_added_up(measure, folded):
    a, b = _uneven(8, f=200), _uneven(9, f=200)
    if measure == "pearson":
        a[:, ::2] *= -1
    values = slow_similarity(a, b, measure)
    found = correlate(sparse.csr_array(a), sparse.csr_array(b), measure=measure, engine="sparse")
    check_best(found.a_to_b, values, slow_cofirings(a, b), top_k=1)
    assert not folded


def test_split_rows_hold_what_rows_hold(monkeypatch):
    monkeypatch.setattr(prepared, "OFTEN", _OFTEN)
    acts = _uneven(10)
    side = prepare(sparse.csr_array(acts))
    scaling, rare = side.scaling("pearson"), side.fires_rarely(side.varying)
    assert 0 < rare < len(side.varying)
    assert not scaling.centre[side.varying[:rare]].any()
    assert scaling.centre.any()
    how = side.source, side.moments, scaling
    split = build_split_rows(*how, side.varying[:rare], side.varying[rare:])
    scaled = ((acts - scaling.centre) * scaling.scale).astype(np.float32)[:, split.features]
    for begin, _, end, entries in (split.of_all, split.of_rare):
        for t in range(len(acts)):
            row = entries[begin[t] : end[t]]
            kept = np.zeros(len(split.features), bool)
            kept[split.often if entries is split.entries and end is split.middle else 0 :] = True
            np.testing.assert_array_equal(np.sort(row["rank"]), np.flatnonzero((scaled[t] != 0) & kept))
            np.testing.assert_array_equal(row["value"], scaled[t, row["rank"]])
    features, arrays = split.part_of_often()
    alone, expected = build_rows(*how, side.varying[rare:], 1 << 15).part(0)
    np.testing.assert_array_equal(features, alone)
    for x, y in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(x, y)


def test_bounds_are_no_lower_than_similarities(monkeypatch):
    monkeypatch.setattr(prepared, "OFTEN", _OFTEN)
    acts = _uneven(11), _uneven(12)
    a, b = (prepare(sparse.csr_array(side)) for side in acts)
    columns, rows = a.columns("pearson"), b.split_rows("pearson")
    r = slow_similarity(*acts, "pearson")[:, rows.features]
    cells = 1 << 6
    for c in range(0, len(columns.features), 7):
        folded = np.zeros(cells, np.float32)
        column = columns.pointer[c], columns.pointer[c + 1], columns.token, columns.value
        fold(*column, rows.of_all, np.float32(1.0), folded, np.uint64(cells - 1))
        assert (folded[np.arange(len(rows.features)) % cells] + 1e-6 >= r[columns.features[c]]).all()


def test_bars_are_no_higher_than_thresholds():
    threshold = np.random.default_rng(0).normal(size=5000)
    bars = np.empty(2 << 16, np.float32)
    fold_bars(threshold, bars)
    for cells in (1 << 11, 1 << 13, 1 << 16):
        own = bars[cells : 2 * cells]
        assert (own[np.arange(5000) % cells] <= np.maximum(threshold, 0)).all()
        least = np.full(cells, np.inf)
        np.minimum.at(least, np.arange(5000) % cells, np.maximum(threshold, 0))
        np.testing.assert_allclose(own, least, atol=1e-5)


def test_a_cell_is_marked_once():
    folded = np.array([0.5, 0.2, 0.9, 0.0], np.float32)
    bars = np.array([0, 0, 0, 0, 0.6, 0.1, 2.0, 1.0], np.float32)
    marks = np.zeros(4, bool)
    level = np.array([0.8], np.float32).view(np.int32)[0]
    bits = folded.view(np.int32)
    assert mark(bits, marks, 4, bars.view(np.int32), level) == 2
    np.testing.assert_array_equal(marks, [False, True, True, False])
    assert mark(bits, marks, 4, bars.view(np.int32), np.int32(0)) == 2
    assert mark(bits, marks, 4, bars.view(np.int32), np.int32(0)) == 0


@pytest.mark.parametrize(
    ("tokens", "top_k", "expected"), [(4000, 1, True), (4000, 32, False), (40, 1, False)]
)
def test_sums_are_bounded_where_many_products_share_few_places(tokens, top_k, expected, monkeypatch):
    monkeypatch.setattr(sparse_folded, "FOLDED_FROM", 100)
    monkeypatch.setattr(sparse_folded, "LARGEST_PART", 100)
    rng = np.random.default_rng(13)
    a, b = (sparse.random_array((tokens, 200), density=0.2, rng=rng, dtype=np.float32) for _ in range(2))
    job = sparse_engine.SparseJob(prepare(sparse.csr_array(a)), prepare(sparse.csr_array(b)), "pearson")
    assert sparse_folded.folds(job, top_k) is expected
