"""A crosscoder's features as pairs, and as the judge of other matchings."""

import math

import numpy as np
import pytest
from scipy import sparse

from congruence.errors import ConfigError, InputError
from congruence.matching import judge_matching, match, partners_through, relative_norms
from congruence.matching.crosscoder import EXCLUSIVE, SHARED
from congruence.run.crosscoder import kinds


def acts(seed: int = 0, features: int = 12) -> sparse.csr_array:
    return sparse.random_array((300, features), density=0.2, format="csr", rng=np.random.default_rng(seed))


def test_each_feature_is_paired_with_itself() -> None:
    a, b = acts(), acts(1)
    b = sparse.csr_array(b.toarray() * (np.arange(12) != 4))
    found = match(a, b, method="crosscoder", features=np.array([1, 4, 7]))
    assert found.feature_a.tolist() == found.feature_b.tolist() == [1, 7]
    r = [np.corrcoef(a.toarray()[:, i], b.toarray()[:, i])[0, 1] for i in (1, 7)]
    np.testing.assert_allclose(found.r, r, atol=1e-6)
    assert found.unmatched == {"a": 10, "b": 9}
    assert len(match(a, b, method="crosscoder")) == 11
    assert len(match(a, b, method="crosscoder", min_cofirings=1000)) == 0


def test_sides_of_other_widths_and_options_are_refused() -> None:
    with pytest.raises(InputError, match="the same on both sides: 12 and 5"):
        match(acts(), acts(features=5), method="crosscoder")
    for bad in ({"shared": 0.7}, {"shared": "wide"}, {"path": 3}, {"places": "ab"}, {"share": 0.1}):
        with pytest.raises(ConfigError, match="crosscoder"):
            match(acts(), acts(), method="crosscoder", **bad)


def test_relative_norms_and_kinds() -> None:
    a = np.array([[2.0, 0], [0, 0], [1, 0], [1, 0], [0, 0], [10, 0]])
    b = np.array([[0.0, 2], [3, 0], [1, 0], [0.7, 0], [0, 0], [0, 1.0]])
    relative = relative_norms(a, b)
    assert relative.tolist()[:4] == pytest.approx([0.5, 1, 0.5, 0.35])
    assert math.isnan(relative[4])
    assert kinds(relative).tolist() == ["shared", "b", "shared", "between", "none", "a"]
    assert kinds(relative, 0.2).tolist()[3] == "shared"
    assert (SHARED, EXCLUSIVE) == (0.1, 0.1)


def test_a_matching_is_judged_by_what_is_known() -> None:
    a = acts()
    noisy = a + 0.3 * acts(5)
    found = match(a, noisy, method="assignment")
    known = np.arange(12)
    judged = judge_matching(found, known, known)
    assert judged.recall == judged.precision == 1.0
    wrong = judge_matching(found, known[:6], np.roll(known, 1)[:6])
    assert (wrong.found, wrong.right, wrong.recall) == (0, 0, 0.0)
    assert wrong.judged > 6  # pairs of which either side is known
    nobody = judge_matching(found, known[:0], known[:0])
    assert math.isnan(nobody.recall)
    assert math.isnan(nobody.precision)


def test_partners_are_found_through_the_crosscoder() -> None:
    rng = np.random.default_rng(0)
    rows_a, rows_b = rng.normal(size=(30, 16)), rng.normal(size=(30, 24))
    order_a, order_b = rng.permutation(30)[:20], rng.permutation(30)[:20]
    W_dec_a = 3 * rows_a[order_a] + 0.3 * rng.normal(size=(20, 16))
    W_dec_b = 0.1 * rows_b[order_b] + 0.01 * rng.normal(size=(20, 24))
    found_a, found_b = partners_through(W_dec_a, W_dec_b, rows_a, rows_b)
    true = {c: (list(order_a).index(c), list(order_b).index(c)) for c in set(order_a) & set(order_b)}
    assert set(zip(found_a.tolist(), found_b.tolist(), strict=True)) == set(true.values())
    assert partners_through(W_dec_a, W_dec_b, rng.normal(size=(30, 16)), rows_b, least=0.95)[0].size == 0
