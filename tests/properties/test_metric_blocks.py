"""Blocked distances and bucketed ranks equal the plain ones; scores follow their rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, spearmanr

from congruence.metrics import METRICS, ranks, rdm, rsa
from congruence.significance import p_value, permutations_for

few = settings(max_examples=40, deadline=None)
numbers = st.floats(-5, 5, width=32).map(lambda value: round(value, 2))


def ranked(values):
    held = ranks.PackedValues(len(values), -5.0, 10.0)
    held.put(0, values)
    return held.centred_ranks()


@few
@given(values=arrays(float, st.integers(1, 400), elements=numbers), bucket=st.integers(1, 60))
def test_bucketed_ranks_are_average_ranks(values, bucket):
    expected = 2 * rankdata(values) - (len(values) + 1)
    before = ranks.BUCKET, ranks.SAMPLE
    ranks.BUCKET, ranks.SAMPLE = bucket, 50
    try:
        found = ranked(values)
    finally:
        ranks.BUCKET, ranks.SAMPLE = before
    assert np.array_equal(found, expected)


def test_many_ranks_are_whole_numbers_of_four_bytes(monkeypatch):
    monkeypatch.setattr(ranks, "BUCKET", 100)
    values = np.random.default_rng(0).normal(size=500)
    expected = 2 * rankdata(values) - 501
    found = ranked(values)
    assert found.dtype == np.int32
    assert np.array_equal(found, expected)


@few
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(3, 40),
    block=st.integers(1, 300),
    kind=st.sampled_from(["correlation", "euclidean", "cosine"]),
)
def test_blocked_distances_are_scipys(seed, n, block, kind):
    rows = np.random.default_rng(seed).normal(size=(n, 5)) + 3
    rows[n // 2] = rows[0] + 1e-7
    before = rdm.BLOCK_NUMBERS
    rdm.BLOCK_NUMBERS = block
    try:
        found = rdm.condensed(rows, kind, "x")
    finally:
        rdm.BLOCK_NUMBERS = before
    assert found == pytest.approx(pdist(rows, kind), abs=1e-10)


@few
@given(n=st.integers(2, 600), dtype=st.sampled_from([np.float32, np.int32, np.float64]))
def test_square_is_the_triangle_twice(n, dtype):
    triangle = np.arange(n * (n - 1) // 2).astype(dtype)
    assert np.array_equal(rdm.square(triangle, n), squareform(triangle))


@few
@given(seed=st.integers(0, 10_000), n=st.integers(4, 30), d=st.integers(2, 6))
def test_rsa_is_spearman_of_distances(seed, n, d):
    x, y = np.random.default_rng(seed).normal(size=(2, n, d))
    expected = spearmanr(pdist(x), pdist(y)).statistic
    assert float(rsa(x, y, rdm="euclidean")) == pytest.approx(expected, abs=1e-9)


@few
@given(seed=st.integers(0, 10_000), name=st.sampled_from(METRICS.names()))
def test_reordering_both_sides_alike_reorders_draws_alone(seed, name):
    """Scores don't depend on the order of pairs, except through a random split."""
    metric = METRICS.get(name)
    if not metric.laws.row_order:
        return
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 20, 4))
    options = {"k": 3} if "knn" in name else {}
    order, draws = rng.permutation(20), permutations_for(seed, 3, 20)
    place = np.argsort(order)
    before = metric.prepare(x, y, **options).repaired(draws)
    after = metric.prepare(x[order], y[order], **options).repaired(place[draws[:, order]])
    assert after == pytest.approx(before, abs=1e-9)


@few
@given(
    scores=arrays(float, st.integers(1, 50), elements=numbers),
    observed=numbers,
    alternative=st.sampled_from(["greater", "less", "two-sided"]),
)
def test_p_is_never_zero_nor_above_one(scores, observed, alternative):
    p = p_value(observed, scores, alternative=alternative)
    assert 1 / (1 + len(scores)) <= p <= 1
    assert p_value(-observed, -scores, alternative="greater") == p_value(observed, scores, alternative="less")


@few
@given(seed=st.integers(0, 2**63), n=st.integers(1, 60), start=st.integers(0, 1000))
def test_every_draw_is_a_permutation(seed, n, start):
    found = permutations_for(seed, range(start, start + 3), n)
    assert np.array_equal(np.sort(found, axis=1), np.tile(np.arange(n), (3, 1)))
