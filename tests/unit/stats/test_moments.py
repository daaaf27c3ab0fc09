"""Moments of features by hand, and what is refused."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import MomentsState, layer_statistics


def test_moments_by_hand():
    acts = np.array([[0.0, 2.0, 5.0, 0.0], [0.0, 2.0, 0.0, -1.0], [0.0, 2.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    for kind in (acts, sparse.csr_array(acts), sparse.csc_matrix(acts), acts.astype(np.float32)):
        found = layer_statistics(kind)
        assert found.n == 4
        assert found.firings.tolist() == [0, 4, 2, 1]
        np.testing.assert_allclose(found.mean, [0, 2, 1.5, -0.25])
        np.testing.assert_allclose(found.std, acts.std(axis=0), atol=1e-15)
        np.testing.assert_allclose(found.square_sum, (acts**2).sum(axis=0))
        assert found.constant.tolist() == [True, True, False, False]
        assert found.negative


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_a_tiny_variance_about_a_huge_mean_survives(kind):
    values = 1e6 + 1e-6 * np.random.default_rng(0).normal(size=(5000, 1))
    exact = np.longdouble(values)
    exact = float(np.sqrt(((exact - exact.mean()) ** 2).mean()))
    assert layer_statistics(kind(values)).std[0] == pytest.approx(exact, rel=1e-8)


def test_equal_values_are_constant_however_often_they_are_added():
    assert layer_statistics(sparse.csr_array(np.full((100_001, 1), 0.1))).constant[0]
    assert not layer_statistics(sparse.csr_array(np.r_[np.full(100_000, 0.1), 0.2][:, None])).constant[0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(wrong):
    acts = np.ones((4, 3))
    acts[2, 1] = wrong
    for kind in (acts, sparse.csr_array(acts)):
        with pytest.raises(ValueError, match="NaN or infinity"):
            layer_statistics(kind)


def test_dense_and_sparse_states_merge():
    acts = np.random.default_rng(0).normal(size=(30, 4)) * (np.random.default_rng(1).random((30, 4)) < 0.5)
    one, other = MomentsState(4), MomentsState(4)
    one.update(sparse.csr_array(acts[:11]))
    other.update_dense(acts[11:])
    one.merge(other)
    np.testing.assert_allclose(one.finalize().std, acts.std(axis=0))
