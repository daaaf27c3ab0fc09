"""Many-to-one in both directions, and one-to-one by filtering, by hand and as published."""

import numpy as np
import pytest
from scipy import sparse

from congruence.errors import ConfigError
from congruence.matching import MATCHERS, many_to_one, match, one_to_one
from congruence.stats import correlate


@pytest.fixture(scope="module")
def correlation():
    rng = np.random.default_rng(0)
    a, b = ((rng.random((120, f)) < 0.15) * rng.exponential(size=(120, f)) for f in (20, 30))
    a[:, 3] = 0
    b[:, 5] = 2
    return correlate(sparse.csr_array(a), sparse.csr_array(b), top_k=2)


def test_each_seeking_feature_takes_its_best(correlation):
    to_a, to_b = many_to_one(correlation, from_="b"), many_to_one(correlation, from_="a")
    assert to_a.feature_b.tolist() == [j for j in range(30) if j != 5]
    assert to_b.feature_a.tolist() == [i for i in range(20) if i != 3]
    np.testing.assert_array_equal(to_a.feature_a, correlation.b_to_a.indices[to_a.feature_b, 0])
    np.testing.assert_array_equal(to_b.feature_b, correlation.indices[to_b.feature_a, 0])
    np.testing.assert_allclose(
        to_b.margin, correlation.values[to_b.feature_a, 0] - correlation.values[to_b.feature_a, 1]
    )
    assert to_a.unmatched == to_b.unmatched == {"a": 1, "b": 1}
    assert "B" in to_a.objective


def test_keep_first_goes_by_index_and_keep_best_by_similarity(correlation):
    whole = many_to_one(correlation, from_="b")
    first, best = one_to_one(whole, keep="first"), one_to_one(correlation, from_="b", keep="best")
    for a in np.unique(whole.feature_a):
        pairs = np.flatnonzero(whole.feature_a == a)
        assert first.feature_b[first.feature_a == a].tolist() == [whole.feature_b[pairs[0]]]
        assert best.feature_b[best.feature_a == a].tolist() == [
            whole.feature_b[pairs[np.argmax(whole.r[pairs])]]
        ]
    assert first.total <= best.total
    assert len(first) == len(best) == len(np.unique(whole.feature_a))


def test_every_option_is_checked(correlation):
    acts = sparse.random_array((20, 4), density=0.5, format="csr", rng=np.random.default_rng(0))
    for call in (
        lambda: many_to_one(correlation, from_="A"),
        lambda: one_to_one(correlation, keep="last"),
        lambda: match(acts, acts, method="hungarian"),
        lambda: match(acts, acts, method="greedy", epsilon=0.1),
        lambda: match(acts, acts, measure="peerson"),
    ):
        with pytest.raises(ConfigError):
            call()


@pytest.mark.parametrize("method", sorted(set(MATCHERS) - {"crosscoder", "decoder_cosine"}))
def test_every_matcher_takes_the_common_options_and_empty_sides(method):
    acts = sparse.random_array((40, 6), density=0.3, format="csr", rng=np.random.default_rng(0))
    silent = sparse.csr_array((40, 5), dtype=np.float32)
    options = {"from_": "a", "keep": "first", "measure": "cosine", "min_cofirings": 2}
    assert len(match(acts, acts, method=method, **options)) > 0
    nothing = match(acts, silent, method=method)
    assert len(nothing) == 0
    assert nothing.unmatched == {"a": 6, "b": 5}
