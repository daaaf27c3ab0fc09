"""Adjusted p-values against scipy, hand-worked cases and a written-out max-T."""

import numpy as np
import pytest
from scipy import stats

from congruence.errors import ConfigError, InputError
from congruence.records import Score
from congruence.significance import adjust, benjamini_hochberg, holm, max_t, permutation_test, summarise


def made(observed, scores, alternative="greater"):
    return summarise(
        Score("m", observed, 10), np.asarray(scores, float), measure="m", null="n", alternative=alternative
    )


def test_bh_is_scipys():
    p = np.random.default_rng(0).uniform(size=37) ** 2
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    assert adjust(p) == pytest.approx(stats.false_discovery_control(p))


def test_p_values_of_a_grid_keep_their_shape():
    p = np.random.default_rng(1).uniform(size=(3, 4))
    p[1, 2] = np.nan
    for method in ("bh", "holm"):
        found = adjust(p, method=method)
        assert found.shape == (3, 4)
        assert np.array_equal(found.ravel(), adjust(p.ravel(), method=method), equal_nan=True)


def test_holm_by_hand():
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert adjust([0.03, 0.01], method="holm") == pytest.approx([0.03, 0.02])


def test_nan_stays_and_counts_for_nothing():
    assert adjust([0.01, np.nan, 0.04]) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert np.isnan(adjust([np.nan, np.nan])).all()
    assert len(adjust([])) == 0


def test_max_t_by_hand():
    """Two cells, four draws: z over observed and draws together, then the largest of each draw."""
    scores = np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 5.0, 1.0]])
    observed = np.array([4.0, 5.0])
    grid = np.column_stack([observed, scores])
    z = (grid - grid.mean(1, keepdims=True)) / grid.std(1, keepdims=True)
    expected = [(1 + (z[:, 1:].max(0) >= z[c, 0] - 1e-12).sum()) / 5 for c in range(2)]
    assert max_t(observed, scores) == pytest.approx(expected)
    tests = [made(o, s) for o, s in zip(observed, scores, strict=True)]
    assert adjust(tests, method="max_t") == pytest.approx(expected)


def test_max_t_of_one_cell_is_its_p():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 30, 4))
    for alternative in ("greater", "less"):
        test = permutation_test("rsa", x, y, draws=99, rng=0, alternative=alternative)
        assert adjust([test], method="max_t")[0] == pytest.approx(test.p)


def test_max_t_never_falls_below_p():
    rng = np.random.default_rng(2)
    scores, observed = rng.normal(size=(6, 200)), rng.normal(size=6) + 1
    tests = [made(o, s) for o, s in zip(observed, scores, strict=True)]
    assert (adjust(tests, method="max_t") >= [test.p - 0.01 for test in tests]).all()


def test_equal_cells_cost_nothing_under_max_t_and_much_under_holm():
    scores = np.tile(np.random.default_rng(3).normal(size=99), (10, 1))
    tests = [made(4.0, row) for row in scores]
    assert adjust(tests, method="max_t") == pytest.approx(0.01)
    assert adjust(tests, method="holm") == pytest.approx(0.1)


def test_a_cell_whose_null_doesnt_vary():
    flat = made(1.0, np.ones(20))
    varied = made(30.0, np.arange(20))
    assert adjust([flat, varied], method="max_t") == pytest.approx([1.0, 1 / 21])


def test_what_adjust_refuses():
    with pytest.raises(ConfigError, match="did you mean 'max_t'"):
        adjust([0.1], method="maxt")
    with pytest.raises(InputError, match="pass a list of NullTest"):
        adjust([0.1, 0.2], method="max_t")
    with pytest.raises(InputError, match="between 0 and 1"):
        adjust([0.1, 1.2])
    with pytest.raises(InputError, match="same draws"):
        adjust([made(1, np.arange(5)), made(1, np.arange(6))], method="max_t")
    with pytest.raises(InputError, match="same draws"):
        adjust([made(1, np.arange(5)), made(1, np.arange(5), "less")], method="max_t")
