"""Splits and weights by document, and correlations under them."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import (
    bootstrap_weights,
    correlate,
    half_masks,
    half_weights,
    halves_of_documents,
    pair_correlations,
    prepare,
)

OFFSETS = np.array([0, 40, 90, 90, 150, 200])


def _sides() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a, b = ((rng.random((200, f)) < 0.3) * rng.exponential(size=(200, f)) for f in (8, 9))
    a[:, 0] = 1e3 + rng.normal(size=200)
    return a, b


def test_halves_share_no_document():
    one, other = half_masks(OFFSETS, rng=np.random.default_rng(0))
    assert (one ^ other).all()
    for start, stop in zip(OFFSETS[:-1], OFFSETS[1:], strict=True):
        assert len(set(one[start:stop])) <= 1
    assert half_weights(5, rng=np.random.default_rng(0)).sum(axis=1).tolist() == [2, 3]
    with pytest.raises(ValueError, match="at least two"):
        half_weights(1, rng=np.random.default_rng(0))


def test_bootstrap_weights_count_as_many_documents():
    weights = bootstrap_weights(7, 100, rng=np.random.default_rng(0))
    assert weights.shape == (100, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.4)


def test_weighted_correlations_are_those_of_repeated_documents():
    a, b = _sides()
    rng = np.random.default_rng(1)
    feature_a, feature_b = rng.integers(0, 8, 30), rng.integers(0, 9, 30)
    weights = np.concatenate([bootstrap_weights(5, 6, rng=rng), half_weights(5, rng=rng), np.ones((1, 5))])
    found = pair_correlations(
        sparse.csr_array(a), b, feature_a, feature_b, weights=weights, document_offsets=OFFSETS
    )
    for draw, weight in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(200), np.repeat(weight, np.diff(OFFSETS)))
        expected = [
            np.corrcoef(a[rows, i], b[rows, j])[0, 1] for i, j in zip(feature_a, feature_b, strict=True)
        ]
        np.testing.assert_allclose(found[draw], expected, atol=1e-6)


def test_a_feature_that_does_not_vary_in_a_draw_is_nan():
    a, b = _sides()
    a[:40, 1] = 5.0
    weights = np.array([[1.0, 0, 0, 0, 0]])
    found = pair_correlations(a, b, np.array([1]), np.array([0]), weights=weights, document_offsets=OFFSETS)
    assert np.isnan(found).all()


def test_a_part_is_the_layer_on_those_tokens():
    a, b = _sides()
    masks = halves_of_documents(OFFSETS, seed=3)
    for mask in masks:
        kinds = a, sparse.csr_array(b)
        parts = [prepare(side, document_offsets=OFFSETS).part(mask) for side in kinds]
        expected = correlate(a[mask], sparse.csr_array(b[mask]))
        found = correlate(*parts)
        assert found.n == mask.sum()
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.b_to_a.indices, expected.b_to_a.indices)
        np.testing.assert_array_equal(
            parts[0].document_offsets, prepare(a, mask=mask, document_offsets=OFFSETS).document_offsets
        )
    with pytest.raises(ValueError, match="boolean"):
        prepare(a).part(np.ones(5, bool))


def test_halves_derive_from_the_seed():
    one, other = halves_of_documents(OFFSETS, seed=5)
    assert (one ^ other).all()
    np.testing.assert_array_equal(one, halves_of_documents(OFFSETS, seed=5)[0])
    assert any((halves_of_documents(OFFSETS, seed=seed)[0] != one).any() for seed in range(9))
    with pytest.raises(ValueError, match="at least two"):
        halves_of_documents(np.array([0, 7]), seed=0)


def test_offsets_follow_the_mask_and_are_checked():
    a, _ = _sides()
    mask = np.zeros(200, bool)
    mask[[0, 41, 42, 199]] = True
    assert prepare(a, mask=mask, document_offsets=OFFSETS).document_offsets.tolist() == [0, 1, 3, 3, 3, 4]
    for wrong in (OFFSETS[:-1], OFFSETS[::-1], OFFSETS[None]):
        with pytest.raises(ValueError, match="document_offsets"):
            prepare(a, document_offsets=wrong)
