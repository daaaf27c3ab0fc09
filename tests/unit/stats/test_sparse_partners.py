"""Looking only at pairs that fire together: who is held against everybody afterwards, and that nobody is missed."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import correlate, sparse_partners
from slow_similarity import check_best, random_acts, slow_cofirings, slow_similarity


@pytest.fixture
def settled(monkeypatch) -> list[int]:
    """How many lists were empty when the features whose partners might be silent were taken anew."""
    sizes: list[int] = []
    whole = sparse_partners._empty
    monkeypatch.setattr(
        sparse_partners,
        "_empty",
        lambda lists, features: (sizes.append(len(features)), whole(lists, features)),
    )
    return sizes


def _thin(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return random_acts(rng, n, 500, 0.03), random_acts(rng, n, 700, 0.03)


def _check(a: np.ndarray, b: np.ndarray, *, measure: str = "pearson", top_k: int = 2, **options) -> None:
    values, cofirings = slow_similarity(a, b, measure), slow_cofirings(a, b)
    found = correlate(
        sparse.csr_array(a), sparse.csr_array(b), measure=measure, top_k=top_k, engine="sparse", **options
    )
    fewest = options.get("min_cofirings", 1)
    check_best(found.a_to_b, values, cofirings, top_k=top_k, fewest=fewest)
    check_best(found.b_to_a, values.T, cofirings.T, top_k=top_k, fewest=fewest)


@pytest.mark.parametrize("measure", ["pearson", "cosine", "jaccard"])
@pytest.mark.parametrize("block_size", [None, 97])
def test_pairs_that_fire_together_are_enough(measure, block_size, settled):
    _check(*_thin(0), measure=measure, block_size=block_size)
    assert sum(settled) < 20


def test_every_feature_without_a_positive_partner_is_settled(settled):
    # A 0 fires where no B does, B 0 where no A does: their best partner never fires with them.
    a, b = _thin(1)
    a[100:], b[100:] = 0, 0
    a[100:105, 0], b[105:120, 0] = 1.0, 2.0
    a[:100, 0], b[:100, 0] = 0, 0
    _check(a, b)
    assert len(settled) == 2
    assert min(settled) >= 1


def test_negative_activations_let_silent_pairs_be_the_best(settled):
    a, b = _thin(2)
    b[:, ::3] *= -1
    _check(a, b)
    assert settled


def test_features_that_fire_often_meet_everybody(settled):
    a, b = _thin(3)
    rng = np.random.default_rng(4)
    a[:, 7], b[:, 9] = 3 + rng.normal(size=120), rng.random(120) < 0.7
    b[:, 11] = np.where(rng.random(120) < 0.6, 1.0, 0.0)
    _check(a, b)


def test_a_minimum_of_cofirings_leaves_nobody_to_settle(settled):
    _check(*_thin(5), min_cofirings=2)
    assert not settled


@pytest.mark.bits
def test_threads_do_not_matter_where_few_pairs_touch():
    a, b = (sparse.csr_array(side) for side in _thin(6))
    one = correlate(a, b, top_k=2, engine="sparse", threads=1)
    many = correlate(a, b, top_k=2, engine="sparse", threads=4)
    for x, y in ((one.a_to_b, many.a_to_b), (one.b_to_a, many.b_to_a)):
        np.testing.assert_array_equal(x.values, y.values)
        np.testing.assert_array_equal(x.indices, y.indices)
