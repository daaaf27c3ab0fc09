"""Top tokens: strongest first, earliest of equals, never a token on which the feature is silent."""

import numpy as np
import pytest
import torch
from scipy import sparse

from congruence.stats import prepare, top_tokens

ACTS = np.array([[1.0, 0, 0, -2], [3, 0, 7, 0], [3, 0, 0, 0], [2, 0, 0, -1]], np.float32)
IDS = np.array([10, 11, 12, 13])


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, torch.as_tensor, prepare])
def test_by_hand(kind):
    found = top_tokens(kind(ACTS), IDS, k=3)
    assert found.token_ids.tolist() == [[11, 12, 13], [-1, -1, -1], [11, -1, -1], [-1, -1, -1]]
    assert found.positions.tolist() == [[1, 2, 3], [-1, -1, -1], [1, -1, -1], [-1, -1, -1]]
    assert found.values.tolist() == [[3, 3, 2], [0, 0, 0], [7, 0, 0], [0, 0, 0]]


def test_positions_are_rows_of_the_whole_under_a_mask():
    found = top_tokens(sparse.csr_array(ACTS), IDS, k=2, mask=np.array([True, False, True, True]))
    assert found.positions[0].tolist() == [2, 3]
    assert found.token_ids[0].tolist() == [12, 13]


@pytest.mark.parametrize("k", [1, 5])
def test_against_a_sort(k):
    rng = np.random.default_rng(k)
    acts = ((rng.random((300, 40)) < 0.05) * rng.integers(1, 4, (300, 40))).astype(np.float32)
    found = top_tokens(sparse.csr_array(acts), np.arange(300), k=k)
    order = np.argsort(-acts, axis=0, kind="stable")[:k].T
    strength = np.take_along_axis(acts.T, order, axis=1)
    np.testing.assert_array_equal(found.values, strength)
    np.testing.assert_array_equal(found.positions, np.where(strength > 0, order, -1))


def test_what_is_refused():
    for ids, k, message in ((IDS[:3], 5, "one id a token"), (IDS, 0, "at least one")):
        with pytest.raises(ValueError, match=message):
            top_tokens(sparse.csr_array(ACTS), ids, k=k)


def test_lists_are_filled_with_the_first_silent_tokens_where_asked():
    found = top_tokens(sparse.csr_array(ACTS), IDS, k=3, fill=True)
    assert found.positions.tolist() == [[1, 2, 3], [0, 1, 2], [1, 0, 2], [0, 1, 2]]
    assert found.values.tolist() == [[3, 3, 2], [0, 0, 0], [7, 0, 0], [0, 0, 0]]
    kept = top_tokens(sparse.csr_array(ACTS), IDS, k=3, fill=True, mask=np.array([False, True, True, True]))
    assert kept.positions[2].tolist() == [1, 2, 3]
