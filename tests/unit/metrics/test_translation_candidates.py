"""Translation accuracy among a fixed number of candidates: the closed form against counting every draw."""

from importlib import import_module
from itertools import combinations

import numpy as np
import pytest

from congruence import metrics
from congruence.errors import InputError
from congruence.metrics import METRICS
from congruence.metrics.translation_accuracy import credit, found_by_rank, own_credit
from congruence.significance import permutations_for


def counted(similarity, i, j, k, candidates):
    """Mean over all sets of other columns of whether j is among the k nearest; ties share."""
    others = [column for column in range(len(similarity)) if column != j]
    total, row = [], similarity[i]
    for drawn in combinations(others, candidates - 1):
        above = sum(row[c] > row[j] for c in drawn)
        level = 1 + sum(row[c] == row[j] for c in drawn)
        total.append(min(max((k - above) / level, 0.0), 1.0))
    return float(np.mean(total))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("k", "candidates"), [(1, 2), (1, 4), (2, 4), (3, 3), (1, 8)])
def test_credit_is_the_mean_over_all_draws(k, candidates, ties):
    rng = np.random.default_rng(candidates)
    similarity = rng.integers(0, 4, size=(8, 8)).astype(float) if ties else rng.normal(size=(8, 8))
    expected = [[counted(similarity, i, j, k, candidates) for j in range(8)] for i in range(8)]
    assert credit(similarity, k, candidates) == pytest.approx(np.array(expected), abs=1e-12)
    assert own_credit(similarity, k, candidates) == pytest.approx(np.diag(expected).mean(), abs=1e-12)


def test_all_rows_as_candidates_are_none():
    rng = np.random.default_rng(0)
    for similarity in (rng.normal(size=(30, 30)), rng.integers(0, 5, size=(30, 30)).astype(float)):
        for k in (1, 3, 30):
            assert credit(similarity, k, 30) == pytest.approx(credit(similarity, k), abs=1e-12)
            assert own_credit(similarity, k) == pytest.approx(np.trace(credit(similarity, k)) / 30, abs=1e-12)


def sides(n, d=12, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, x @ np.linalg.qr(rng.normal(size=(d, d)))[0] + noise * rng.normal(size=(n, d))


def test_it_does_not_fall_with_the_number_of_pairs():
    """Precision among all falls where more are held out; among 20 it doesn't."""
    few, many = (metrics.translation_accuracy(*sides(n, d=5)) for n in (200, 800))
    assert float(many) < float(few) / 2
    assert abs(many.details["among_20"] - few.details["among_20"]) < 0.05
    assert many.details["among_20"] == pytest.approx(
        float(metrics.translation_accuracy(*sides(800, d=5), candidates=20)), abs=1e-12
    )


def test_details_always_have_it():
    assert np.isnan(metrics.translation_accuracy(*sides(38)).details["among_20"])
    assert np.isfinite(metrics.translation_accuracy(*sides(40)).details["among_20"])
    score = metrics.translation_accuracy(*sides(60), candidates=10)
    assert (score.details["candidates"], score.details["chance_at_1"]) == (10, 0.1)


def test_chance_is_one_in_the_candidates():
    rng = np.random.default_rng(0)
    found = [
        float(metrics.translation_accuracy(*rng.normal(size=(2, 80, 5)), candidates=20)) for _ in range(60)
    ]
    assert np.mean(found) == pytest.approx(1 / 20, abs=0.01)


def test_draws_are_rescored_tables():
    """A re-pairing looks the same table up: the identity is the observed score, and chance is 1 / 10."""
    prepared = METRICS.get("translation_accuracy").prepare(*sides(100, noise=0.5), candidates=10)
    assert prepared.repaired(np.arange(100)[None])[0] == pytest.approx(float(prepared.observed()), abs=1e-12)
    assert prepared.repaired(permutations_for(0, 300, 100)).mean() == pytest.approx(0.1, abs=0.01)


def test_more_candidates_than_pairs_are_refused():
    with pytest.raises(InputError, match="candidates=30 of 20 held-out pairs: use up to 20"):
        metrics.translation_accuracy(*sides(40), candidates=30)
    with pytest.raises(InputError, match="candidates=1: use a whole number of at least 2"):
        METRICS.get("translation_accuracy").bind(candidates=1)


def test_ranks_give_their_chance():
    assert found_by_rank(10, 2, 10).tolist() == [1.0, 1.0] + 8 * [0.0]


def test_more_columns_than_rows_give_the_same_map():
    """The shorter way through a basis of the rows' span finds the same rotation."""
    from congruence.metrics.rotation import _rotation

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 50)), rng.normal(size=(20, 15))
    u, _, vt = np.linalg.svd(x.T @ y, full_matrices=False)
    short = _rotation(x, y)
    assert short[0] @ short[1] == pytest.approx(u @ vt, abs=1e-10)


def both_ways(monkeypatch, x, y):
    """Prepared by the decomposition, then by products; and how often these had to be decomposed after all."""
    module = import_module("congruence.metrics.rotation")
    slow = METRICS.get("translation_accuracy").prepare(x, y)
    rotation, decomposed = module._rotation, []
    monkeypatch.setattr(module, "_rotation", lambda *sides: decomposed.append(1) or rotation(*sides))
    monkeypatch.setattr(module, "FEW", 10)
    fast = METRICS.get("translation_accuracy").prepare(x, y)
    assert np.array_equal(fast.tables[0].table, slow.tables[0].table)
    assert fast.observed() == slow.observed()
    return len(decomposed)


def noisy_sides(rng, n, d_a, d_b):
    shared = rng.normal(size=(n, 20))
    return [shared @ rng.normal(size=(20, d)) + 2 * rng.normal(size=(n, d)) for d in (d_a, d_b)]


@pytest.mark.parametrize(
    ("n", "d_a", "d_b"), [(120, 90, 75), (120, 75, 90), (400, 40, 60), (400, 60, 40), (240, 60, 130)]
)
def test_products_of_rows_or_columns_give_the_decompositions_map(monkeypatch, n, d_a, d_b):
    sides = noisy_sides(np.random.default_rng(n + d_a), n, d_a, d_b)
    assert both_ways(monkeypatch, *sides) == 0


@pytest.mark.parametrize(
    ("shape", "apart", "decomposed"), [((60, 80), 0.0, 0), ((60, 80), 1e-9, 1), ((300, 40), 0.0, 1)]
)
def test_what_products_leave_uncertain_is_decomposed(monkeypatch, shape, apart, decomposed):
    """Rows nearly equal, or columns equal: singular values of 0, where a root of products would be noise."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, *shape))
    y[:, 1] = y[:, 0]
    y[1:6] = y[0] + apart * rng.normal(size=(5, shape[1]))
    assert both_ways(monkeypatch, x, y) == decomposed


@pytest.mark.parametrize(("a", "b"), [(0.6, 1.0), (0.1, 1.0), (1.0, 0.5)])
def test_features_that_repeat_give_the_decompositions_map(monkeypatch, a, b):
    """A feature that is the partner of several, as pairing many to one leaves it, is told by products too."""
    rng = np.random.default_rng(3)
    n, sides = 120, noisy_sides(rng, 120, 90, 75)
    repeats = [rng.integers(0, int(n * part), n) if part < 1 else np.arange(n) for part in (a, b)]
    assert both_ways(monkeypatch, *(side[rows] for side, rows in zip(sides, repeats, strict=True))) == 0


def test_features_that_repeat_on_both_sides_are_told_too(monkeypatch):
    rng = np.random.default_rng(4)
    assert (
        both_ways(monkeypatch, *(rng.normal(size=(60, d))[rng.integers(0, 60, 120)] for d in (90, 75))) == 1
    )


def test_cosines_of_features_that_repeat_are_those_of_the_decomposition():
    module = import_module("congruence.metrics.rotation")
    from congruence.metrics.shared import SharedRows
    from congruence.metrics.splits import halves

    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(40, 90))[rng.integers(0, 40, 120)], rng.normal(size=(120, 75))
    (split,) = halves(120, 1, 0)
    slow = module.translated_similarity(SharedRows(x), SharedRows(y), split)
    shared = [SharedRows(side) for side in (x, y)]
    products = [module._products(side, split) for side in shared]
    fast = module._similarity_by_rows(*products, module._repeats(*shared, split))
    np.testing.assert_allclose(fast, slow, atol=5e-12)
