"""permutation_test: what it counts, what it refuses, and that draws are synchronised."""

import numpy as np
import pytest
import torch
from scipy import stats

from congruence import metrics
from congruence.errors import ConfigError, InputError
from congruence.metrics import METRICS
from congruence.significance import (
    NULLS,
    adjust,
    corrected,
    max_t,
    p_value,
    permutation_test,
    permutations_for,
    test_cells,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
Y = X @ RNG.normal(size=(5, 6)) + RNG.normal(size=(40, 6))
FREE = RNG.normal(size=(40, 6))
PAIRED = [name for name in METRICS.names() if METRICS.get(name).laws.pairing]


def first_entry(x, y, *, scale=1.0):
    return scale * float(x[0, 0] * y[0, 0])


def test_record():
    test = permutation_test("rsa", X, Y, draws=200, rng=3)
    scores = METRICS.get("rsa").prepare(X, Y).repaired(permutations_for(3, 200, 40))
    assert np.array_equal(test.scores, scores)
    assert test.observed == float(metrics.rsa(X, Y))
    assert (test.measure, test.null, test.draws, test.seed) == ("rsa", "pairing", 200, 3)
    assert test.null_mean == pytest.approx(scores.mean())
    assert test.null_std == pytest.approx(scores.std(ddof=1))
    assert test.z == pytest.approx((test.observed - scores.mean()) / scores.std(ddof=1))
    assert test.p == (1 + (scores >= test.observed).sum()) / 201
    assert dict(test.quantiles) == pytest.approx(
        dict(zip((0.05, 0.5, 0.95), np.quantile(scores, (0.05, 0.5, 0.95)), strict=True))
    )
    assert test.corrected == pytest.approx((test.observed - scores.mean()) / (1 - scores.mean()))
    assert test.score.details["rdm"] == "correlation"


@pytest.mark.parametrize("name", METRICS.names())
def test_every_measure_can_be_tested(name):
    if not METRICS.get(name).laws.pairing:
        with pytest.raises(InputError, match="doesn't depend on the pairing"):
            permutation_test(name, X, FREE[:, :5], draws=9, rng=0)
        return
    test = permutation_test(name, X, X + 0.01 * FREE[:, :5], draws=199, rng=0)
    assert test.p == 1 / 200
    assert test.z > 3


def test_a_name_its_function_and_its_entry_are_one():
    by_name = permutation_test("procrustes", X, Y, draws=20, rng=1)
    for metric in (metrics.procrustes, METRICS.get("procrustes")):
        test = permutation_test(metric, X, Y, draws=20, rng=1)
        assert test.measure == "procrustes"
        assert np.array_equal(test.scores, by_name.scores)


def test_a_callable_is_called_for_every_draw():
    test = permutation_test(first_entry, X, Y, draws=50, rng=1, scale=2.0)
    expected = [2 * X[0, 0] * Y[p[0], 0] for p in permutations_for(1, 50, 40)]
    assert test.measure == "callable"
    assert test.scores == pytest.approx(expected)
    assert permutation_test(lambda x, y: metrics.rsa(x, y + 0), X, Y, draws=5, rng=1).score.measure == "rsa"


def test_measure_options_reach_the_measure():
    test = permutation_test("rsa", X, Y, draws=10, rng=0, rdm="euclidean")
    assert test.score.details["rdm"] == "euclidean"


@pytest.mark.parametrize(
    ("alternative", "expected"), [("greater", 4 / 6), ("less", 5 / 6), ("two-sided", 1.0)]
)
def test_p_counts_ties_on_both_sides(alternative, expected):
    """Of 5 scores one lies above, two below, two tie: 1 + 3 reach it from above, 1 + 4 from below."""
    scores = np.array([1.0, 2.0, 2.0, 0.5, 3.0])
    assert p_value(2.0, scores, alternative=alternative) == pytest.approx(expected)


def test_p_two_sided_is_twice_the_smaller_tail():
    assert p_value(3.0, np.array([1.0, 2.0, 2.0, 0.5, 2.5]), alternative="two-sided") == pytest.approx(2 / 6)


def test_two_sided_is_twice_the_smaller_side():
    low = permutation_test(first_entry, X, Y, draws=99, rng=0, alternative="less").p
    high = permutation_test(first_entry, X, Y, draws=99, rng=0).p
    both = permutation_test(first_entry, X, Y, draws=99, rng=0, alternative="two-sided").p
    assert both == pytest.approx(min(1.0, 2 * min(low, high)))


def test_rounding_doesnt_break_ties():
    """Three rows: every sixth re-pairing is the observed one and must count."""
    x, y = RNG.normal(size=(2, 3, 2))
    for name in ("pc1_correlation", "procrustes"):
        test = permutation_test(name, x, y, draws=2000, rng=0)
        identical = (permutations_for(0, 2000, 3) == np.arange(3)).all(axis=1).sum()
        assert (test.p * 2001 - 1) >= identical > 200


def test_an_unvarying_null_has_no_z():
    test = permutation_test("svcca", X[:6], FREE[:6], draws=20, rng=0, variance=1.0, on_forced="warn")
    assert np.isnan(test.z)
    assert np.isnan(test.corrected)
    assert test.p == 1.0


def test_corrected():
    assert corrected(1.0, 0.3) == 1.0
    assert corrected(0.3, 0.3) == 0.0
    assert np.isnan(corrected(1.0, 1.0))


@pytest.mark.parametrize("draws", [0, -1, 2.5, True, "10", None])
def test_draws_below_one(draws):
    with pytest.raises(InputError, match="at least 1"):
        permutation_test("rsa", X, Y, draws=draws, rng=0)


@pytest.mark.parametrize("rng", [None, -1, 0.5, "0", True, np.random.RandomState(0)])
def test_bad_rng(rng):
    with pytest.raises(InputError, match="pass a seed"):
        permutation_test("rsa", X, Y, draws=5, rng=rng)


def test_rng_may_be_a_seed_or_a_generator():
    one = permutation_test("rsa", X, Y, draws=5, rng=np.random.default_rng(4))
    two = permutation_test("rsa", X, Y, draws=5, rng=np.random.default_rng(4))
    assert np.array_equal(one.scores, two.scores)
    again = permutation_test("rsa", X, Y, draws=5, rng=one.seed)
    assert np.array_equal(one.scores, again.scores)
    assert permutation_test("rsa", X, Y, draws=1, rng=np.int64(4)).draws == 1


def test_unknown_names():
    with pytest.raises(ConfigError, match="did you mean 'rsa'"):
        permutation_test("rsaa", X, Y, rng=0)
    with pytest.raises(ConfigError, match="did you mean 'pairing'"):
        permutation_test("rsa", X, Y, null="pairings", rng=0)
    with pytest.raises(InputError, match="alternative='bigger'"):
        permutation_test("rsa", X, Y, rng=0, alternative="bigger")
    with pytest.raises(InputError, match="metric=3"):
        permutation_test(3, X, Y, rng=0)
    with pytest.raises(InputError, match="needs rates"):
        permutation_test("rsa", X, Y, null="firing_rate", rng=0)


def test_unknown_options_name_those_that_are():
    with pytest.raises(InputError, match=r"rmd='cosine'.*rsa \(which takes rdm, compare, unit_rows\)"):
        permutation_test("rsa", X, Y, rng=0, rmd="cosine")
    with pytest.raises(InputError, match=r"rates=.*neither of rsa"):
        permutation_test("rsa", X, Y, rng=0, rates=[1.0])
    with pytest.raises(InputError, match="takes none"):
        permutation_test("mppc", X, Y, rng=0, k=3)


NAN = np.where(np.arange(6) == 2, np.nan, Y)
BAD = {
    "39": (X, Y[:-1]),
    "drop those pairs": (X, NAN),
    "at least": (X[:2], Y[:2]),
    "x has zero variance.*pass rows that differ": (np.ones_like(X), Y),
    "y has zero variance.*rank 0": (X, np.zeros_like(Y)),
}


@pytest.mark.parametrize("message", BAD)
@pytest.mark.parametrize("metric", [*PAIRED, first_entry])
def test_bad_matrices(metric, message):
    with pytest.raises(InputError, match=message):
        permutation_test(metric, *BAD[message], draws=5, rng=0)


@pytest.mark.parametrize("name", PAIRED)
def test_matrices_may_be_tensors_lists_or_views(name):
    x, y = X.astype(np.float32), (X + 0.5 * FREE[:, :5]).astype(np.float32)
    expected = permutation_test(name, x.astype(float), y.astype(float), draws=9, rng=0)
    wide = np.repeat(x, 2, axis=1)
    for a, b in (
        (torch.tensor(x), torch.tensor(y, requires_grad=True)),
        (x.tolist(), y[::-1][::-1]),
        (wide[:, ::2], np.asfortranarray(y)),
    ):
        test = permutation_test(name, a, b, draws=9, rng=0)
        assert np.array_equal(test.scores, expected.scores)
        assert (test.observed, test.p) == (expected.observed, expected.p)


def test_nan_scores_are_refused():
    with pytest.raises(InputError, match="nan for the observed"):
        permutation_test(lambda x, y: float("nan"), X, Y, draws=5, rng=0)
    with pytest.raises(InputError, match=r"NaN in \d+ of 20 draws"):
        permutation_test(lambda x, y: 1.0 if y[0, 0] == Y[0, 0] else float("nan"), X, Y, draws=20, rng=0)


def test_early_stopping_is_besag_and_clifford():
    full = permutation_test("rsa", X, FREE, draws=2000, rng=2)
    stopped = permutation_test("rsa", X, FREE, draws=2000, rng=2, stop_after=10)
    extreme = np.flatnonzero(full.scores >= full.observed)
    assert stopped.draws == extreme[9] + 1
    assert np.array_equal(stopped.scores, full.scores[: stopped.draws])
    assert stopped.p == pytest.approx(10 / stopped.draws)
    strong = permutation_test("rsa", X, Y, draws=300, rng=2, stop_after=10)
    assert (strong.draws, strong.p) == (300, 1 / 301)
    for bad in (0, 1.5):
        with pytest.raises(InputError, match="stop_after"):
            permutation_test("rsa", X, Y, rng=0, stop_after=bad)
    with pytest.raises(InputError, match="one-sided"):
        permutation_test("rsa", X, Y, rng=0, stop_after=5, alternative="two-sided")


def test_draws_are_numbered():
    """Draw d is one permutation whatever else is asked for, and stays when rows are added."""
    assert np.array_equal(permutations_for(5, 10, 30)[4:7], permutations_for(5, range(4, 7), 30))
    small, large = permutations_for(5, 50, 30), permutations_for(5, 50, 31)
    for short, long in zip(small, large, strict=True):
        followed = np.where(long[:30] == 30, long[30], long[:30])
        assert np.array_equal(short, followed)
    assert not np.array_equal(permutations_for(6, 10, 30), permutations_for(5, 10, 30))


def test_permutations_are_uniform():
    _, counts = np.unique(permutations_for(1, 24_000, 4), axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3
    large = permutations_for(2, 4000, 50)
    assert stats.chisquare(np.bincount(large[:, 17], minlength=50)).pvalue > 1e-3
    fixed = (large == np.arange(50)).sum(axis=1)
    assert fixed.mean() == pytest.approx(1.0, abs=0.06)


def test_cells_share_their_draws():
    cells = [(X, Y), (X, FREE), (X[:, :3], Y)]
    tests = test_cells("rsa", cells, draws=99, rng=3)
    for (x, y), test in zip(cells, tests, strict=True):
        assert np.array_equal(test.scores, permutation_test("rsa", x, y, draws=99, rng=3).scores)
    same = test_cells("rsa", [(X, Y), (X, Y)], draws=99, rng=3)
    assert np.array_equal(same[0].scores, same[1].scores)
    found = adjust(tests, method="max_t")
    assert found == pytest.approx(
        max_t([t.observed for t in tests], np.stack([t.scores for t in tests])), abs=1e-12
    )


def test_every_null_says_what_it_means():
    assert {"pairing", "subset", "firing_rate", "document_shift", "random_model", "other_seed"} <= set(NULLS)
    for name in NULLS:
        entry = NULLS.get(name)
        assert entry.name == name
        assert entry.hypothesis
