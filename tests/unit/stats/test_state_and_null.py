"""What the streaming state and the null of the best similarity take, and what they say."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import CoactivationState, best_r_null, correlate
from congruence.stats.null import BestNull


def _sides(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple((rng.random((n, f)) < 0.3) * rng.exponential(size=(n, f)) for f in (6, 7))


def test_merged_states_are_one_state():
    a, b = _sides()
    one, other = CoactivationState(6, 7), CoactivationState(6, 7)
    one.update(a[50:], sparse.csr_array(b[50:]))
    other.update(sparse.csr_array(a[:50]), b[:50])
    one.merge(other)
    assert one.n == 90
    whole, found = correlate(a, b, engine="sparse"), one.finalize(engine="sparse")
    np.testing.assert_allclose(found.values, whole.values, atol=1e-6)
    np.testing.assert_array_equal(found.b_to_a.indices, whole.b_to_a.indices)


def test_batches_without_documents_are_documents():
    a, b = _sides()
    state = CoactivationState(6, 7)
    state.update(a[:30], b[:30])
    with pytest.raises(ValueError, match="at least two"):
        state.halves(rng=np.random.default_rng(0))
    state.update(a[30:], b[30:])
    assert sorted(half.n for half in state.halves(rng=np.random.default_rng(0))) == [30, 60]


def test_p_values_count_draws_at_least_as_great():
    null = BestNull(
        np.array([[0.1, 0.5], [0.3, 0.5], [0.2, np.nan]]), np.zeros((3, 1)), np.arange(3), "pearson"
    )
    assert null.p_values(np.array([0.2, 0.6])).tolist() == [0.75, 0.25]
    assert np.isnan(null.p_values(np.array([np.nan, 0.6]))[0])
    assert null.p_values(np.array([0.0]), from_="b").tolist() == [1.0]


def test_more_draws_than_documents_repeat_shifts():
    a, b = _sides()
    offsets = np.array([0, 30, 60, 90])
    null = best_r_null(
        a, b, rng=np.random.default_rng(0), draws=5, document_offsets=offsets, measure="cosine"
    )
    assert sorted(null.shifts[:2]) == [30, 60]
    assert null.a_to_b.shape == (5, 6)
    assert null.b_to_a.shape == (5, 7)
    with pytest.raises(ValueError, match="draws is 0"):
        best_r_null(a, b, rng=np.random.default_rng(0), draws=0, document_offsets=offsets)
