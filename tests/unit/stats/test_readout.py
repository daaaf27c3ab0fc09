"""Readouts and scaling from sums: against the slow obvious way, whatever the batches, and what they tell apart."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats.readout import RIDGE, ReadoutSums

N, D = 600, 8


@pytest.fixture(scope="module")
def made():
    """Three features: one in the states, one in them and not in the SAE's error, one nowhere."""
    rng = np.random.default_rng(0)
    acts = np.maximum(rng.standard_normal((N, 3)) - 0.8, 0)
    directions = np.eye(3, D)
    noise = 0.1 * rng.standard_normal((N, D))
    states = 1.0 + acts[:, :2] @ directions[:2] + noise
    error = acts[:, :1] @ directions[:1] + noise
    half = np.repeat(np.arange(6) % 2, 100)
    return states, sparse.csr_array(acts), error, half


def summed(made, step):
    states, acts, error, half = made
    sums = ReadoutSums(half, D, 3, error=True)
    for start in range(0, N, step):
        rows = slice(start, start + step)
        sums.add(start, states[rows], acts[rows], error[rows])
    return sums.readout()


def test_against_the_slow_obvious_way(made):
    states, acts, error, half = made
    found, dense = summed(made, N), acts.toarray()
    for f in range(3):
        r, beta, left = [], [], []
        for fit, judge in ((half == 0, half == 1), (half == 1, half == 0)):
            x, y = states[fit] - states[fit].mean(0), dense[fit, f] - dense[fit, f].mean()
            C, c = x.T @ x / fit.sum(), x.T @ y / fit.sum()
            w = np.linalg.solve(C + RIDGE * np.trace(C) / D * np.eye(D), c)
            r.append(np.corrcoef(states[judge] @ w, dense[judge, f])[0, 1])
            delta = c / y.var()
            z = dense[judge, f] - dense[judge, f].mean()
            for into, of in ((beta, states), (left, error)):
                h = of[judge] - of[judge].mean(0)
                into.append((z @ (h @ delta)) / (z @ z * delta @ delta))
        assert [found.r[f], found.scaling[f], found.scaling_error[f]] == pytest.approx(
            [np.mean(r), np.mean(beta), np.mean(left)]
        )


def test_batches_change_nothing(made):
    whole, parts = summed(made, N), summed(made, 77)
    for name in ("r", "scaling", "scaling_error"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name))


def test_what_is_there_and_what_only_the_dictionary_lacks(made):
    found = summed(made, N)
    assert (found.r[:2] > 0.9).all()
    assert abs(found.r[2]) < 0.2
    assert found.scaling[:2] == pytest.approx([1, 1], abs=0.1)
    assert found.scaling_error[:2] == pytest.approx([1, 0], abs=0.1)


def test_a_feature_of_one_half_has_no_answer(made):
    states, acts, _, half = made
    sums = ReadoutSums(half, D, 3)
    sums.add(0, states, sparse.csr_array(acts.multiply(half[:, None] == 0)))
    found = sums.readout()
    assert np.isnan(found.r).all()
    assert np.isnan(found.scaling_error).all()
