"""The null of the best r: it is what shifted text gives, and says chance of what is chance."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import best_r_null, correlate, prepare

OFFSETS = np.array([0, 100, 250, 250, 400, 620, 800])


def _independent(seed: int, n: int, features: int, rate: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((n, features)) < rate) * rng.exponential(size=(n, features))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_every_draw_is_a_shift_by_documents(kind):
    a, b = _independent(0, 800, 20, 0.1), _independent(1, 800, 25, 0.1)
    null = best_r_null(kind(a), kind(b), rng=np.random.default_rng(0), draws=4, document_offsets=OFFSETS)
    assert len(set(null.shifts)) == 4
    assert set(null.shifts) <= set(OFFSETS[1:-1])
    for draw, shift in enumerate(null.shifts):
        values = np.corrcoef(np.roll(a, shift, axis=0).T, b.T)[:20, 20:]
        np.testing.assert_allclose(null.a_to_b[draw], values.max(axis=1), atol=1e-6)
        np.testing.assert_allclose(null.b_to_a[draw], values.max(axis=0), atol=1e-6)


def test_independent_sides_look_like_the_null_and_a_copy_does_not():
    a, b = _independent(2, 2000, 300, 0.02), _independent(3, 2000, 300, 0.02)
    b[:, :30] = a[:, :30]
    offsets = np.arange(0, 2001, 50)
    sides = [prepare(sparse.csr_array(side), document_offsets=offsets) for side in (a, b)]
    null = best_r_null(*sides, rng=np.random.default_rng(0), draws=19)
    found = correlate(*sides)
    p = null.p_values(found.values[:, 0])
    assert (p[:30] == 0.05).all()
    assert p[30:].mean() == pytest.approx(0.525, abs=0.06)
    assert (p[30:] <= 0.05).mean() == pytest.approx(0.05, abs=0.05)
    assert found.values[30:, 0].mean() == pytest.approx(null.a_to_b[:, 30:].mean(), abs=0.01)


def test_one_document_has_no_null():
    a = sparse.csr_array(_independent(4, 50, 5, 0.3))
    for offsets, message in ((np.array([0, 50]), "at least two"), (None, "document_offsets")):
        with pytest.raises(ValueError, match=message):
            best_r_null(a, a, rng=np.random.default_rng(0), document_offsets=offsets)
