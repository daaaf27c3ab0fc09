"""Pairs measured where they weren't chosen, held against chance, and chosen again."""

import numpy as np
import pytest
from scipy import sparse

from congruence.errors import InputError
from congruence.matching import held_out, match, null_of_best_r
from congruence.stats import (
    best_r_null,
    bootstrap_weights,
    full_correlation,
    halves_of_documents,
    pair_similarities,
    prepare,
)
from slow_similarity import MEASURES, slow_cofirings

N, F, G, TRUE = 2_000, 60, 70, 10
OFFSETS = np.arange(0, N + 1, 40)


def _planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The first `TRUE` features of both sides are the same but for noise; all others are independent."""
    rng = np.random.default_rng(seed)
    a, b = ((rng.random((N, f)) < 0.02) * rng.exponential(size=(N, f)) for f in (F, G))
    b[:, :TRUE] = np.where(rng.random((N, TRUE)) < 0.9, a[:, :TRUE], 0)
    return a.astype(np.float32), b.astype(np.float32)


def _prepared(sides=None):
    return [prepare(sparse.csr_array(side), document_offsets=OFFSETS) for side in sides or _planted()]


@pytest.mark.parametrize("measure", MEASURES)
def test_pair_similarities_are_those_of_the_whole_matrix(measure):
    a, b = _planted()
    a[:, 50], a[:, 51] = 0, 3 + np.random.default_rng(1).random(N)
    full = full_correlation(sparse.csr_array(a), sparse.csr_array(b), measure=measure, engine="sparse")
    rng = np.random.default_rng(2)
    pairs = np.append(rng.integers(0, F, 200), [50, 51]), np.append(rng.integers(0, G, 200), [1, 1])
    values, cofirings = pair_similarities(sparse.csr_array(a), sparse.csr_array(b), *pairs, measure=measure)
    np.testing.assert_allclose(values, full[pairs], atol=1e-9)
    np.testing.assert_array_equal(cofirings, slow_cofirings(a, b)[pairs])
    assert np.isnan(values[200])


def test_pair_similarities_are_the_same_bits_for_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(2)
    pairs = rng.integers(0, F, 200), rng.integers(0, G, 200)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        found.append(pair_similarities(*_prepared(), *pairs)[0])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_chance_pairs_are_unbiased_where_they_were_not_chosen():
    found, again = [], []
    for seed in range(8):
        a, b = _prepared(_planted(seed))
        pairing, scoring = halves_of_documents(OFFSETS, seed)
        first = match(a.part(pairing), b.part(pairing), method="many_to_one")
        second = held_out(a, b, first, mask=scoring)
        chance = first.feature_b >= TRUE
        found.append(first.r[chance])
        again.append(second.r[chance])
        assert second.r[~chance].min() > 0.4
    found, again = np.concatenate(found), np.concatenate(again)
    assert found.mean() > 0.1
    assert abs(np.nanmean(again)) < 3 * np.nanstd(again) / np.sqrt(len(again))


def test_held_out_says_what_the_other_half_says():
    a, b = _planted()
    pairing, scoring = halves_of_documents(OFFSETS, 1)
    sides = _prepared((a, b))
    first = match(*(side.part(pairing) for side in sides), method="greedy")
    second = held_out(*sides, first, mask=scoring)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = [
            np.corrcoef(a[scoring, i], b[scoring, j])[0, 1]
            for i, j in zip(first.feature_a, first.feature_b, strict=True)
        ]
    np.testing.assert_allclose(second.r, r, atol=1e-6)
    np.testing.assert_array_equal(second.firings_b, (b[scoring] != 0).sum(axis=0)[first.feature_b])
    at = first.feature_a, first.feature_b
    np.testing.assert_array_equal(second.cofirings, slow_cofirings(a[scoring], b[scoring])[at])
    np.testing.assert_array_equal(second.margin, first.margin)
    assert second.total == pytest.approx(np.nansum(r), abs=1e-4)
    parts = held_out(*(side.part(scoring) for side in sides), first)
    np.testing.assert_array_equal(parts.r, second.r)


def test_the_null_of_the_best_r_tells_true_pairs_from_chance():
    a, b = _prepared()
    pairs = match(a, b, method="many_to_one", from_="b")
    q95, p = null_of_best_r(a, b, pairs, draws=40, rng=np.random.default_rng(3))
    true = pairs.feature_b < TRUE
    assert (p[true] == 1 / 41).all()
    assert (pairs.r[true] > q95[true]).all()
    assert 0.3 < p[~true].mean() < 0.7
    null = best_r_null(a, b, rng=np.random.default_rng(3), draws=40)
    np.testing.assert_array_equal(p, null.p_values(pairs.r, from_="b"))
    np.testing.assert_array_equal(q95, np.sort(null.b_to_a, axis=0)[37])


def test_both_sides_take_the_larger_p():
    a, b = _prepared()
    pairs = match(a, b, method="mutual_best")
    _, p = null_of_best_r(a, b, pairs, draws=19, rng=np.random.default_rng(3))
    null = best_r_null(a, b, rng=np.random.default_rng(3), draws=19)
    p_a = (1 + (null.a_to_b[:, pairs.feature_a] >= pairs.r).sum(axis=0)) / 20
    p_b = (1 + (null.b_to_a[:, pairs.feature_b] >= pairs.r).sum(axis=0)) / 20
    np.testing.assert_array_equal(p, np.maximum(p_a, p_b))
    assert (p_a != p_b).any()


def test_shifts_are_not_repeated_and_absent_partners_count_low():
    a, b = _prepared()
    pairs = match(a, b, method="many_to_one", min_cofirings=3)
    few = np.array([0, 500, 1000, 1500, N])
    q95, p = null_of_best_r(
        a, b, pairs, rng=np.random.default_rng(0), draws=1000, document_offsets=few, min_cofirings=3
    )
    assert p.min() == 0.25
    assert np.isnan(q95).sum() < len(q95)
    with pytest.raises(InputError, match="at least two"):
        null_of_best_r(a, b, pairs, rng=np.random.default_rng(0), document_offsets=np.array([0, N]))


def test_pairing_again_on_a_resample_is_pairing_the_repeated_documents():
    a, b = _planted()
    counts = bootstrap_weights(len(OFFSETS) - 1, 1, rng=np.random.default_rng(0))[0]
    rows = np.repeat(np.arange(N), np.repeat(counts.astype(int), np.diff(OFFSETS)))
    expected = match(sparse.csr_array(a[rows]), sparse.csr_array(b[rows]), method="mutual_best")
    found = match(*(side.part(rows) for side in _prepared((a, b))), method="mutual_best")
    np.testing.assert_array_equal(found.feature_b, expected.feature_b)
    np.testing.assert_array_equal(found.r, expected.r)
    part = _prepared((a, b))[0].part(rows[::-1])
    assert part.document_offsets.tolist() == np.append(0, np.cumsum(counts * 40)).tolist()
    with pytest.raises(InputError, match="there are 2000 tokens"):
        _prepared((a, b))[0].part(np.array([N]))
