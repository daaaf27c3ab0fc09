"""What the null of the best similarity takes, and what it says."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import best_r_null, correlate, prepare, rolled
from congruence.stats.null import BestNull


def _sides(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple((rng.random((n, f)) < 0.3) * rng.exponential(size=(n, f)) for f in (6, 7))


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


def test_a_shifted_side_is_what_the_document_shift_reads():
    sides = [sparse.csr_array(side.astype(np.float32)) for side in _sides()]
    a, b = (prepare(side, document_offsets=np.array([0, 30, 60, 90])) for side in sides)
    found = correlate(a, rolled(b, -30), engine="sparse")
    turned = sparse.vstack([sides[1][30:], sides[1][:30]], format="csr")
    expected = correlate(sides[0], turned, engine="sparse")
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)
    np.testing.assert_array_equal(found.indices, expected.indices)
    moved_a = correlate(rolled(a, 30), b, engine="sparse")
    np.testing.assert_allclose(moved_a.values, found.values, atol=1e-12)
