"""The one-pass k largest against a sort, and the sparse form of TopK against its dense one."""

import numpy as np
import pytest
import torch

from congruence.saes import largest
from congruence.saes.activation_functions import TopK


def slowly(linear, shift, k):
    pre = linear + shift
    columns = np.sort(np.argsort(-pre, axis=1, kind="stable")[:, :k], axis=1)
    return np.take_along_axis(pre, columns, axis=1), columns


@pytest.mark.parametrize(("f", "k"), [(1, 1), (7, 7), (31, 3), (64, 1), (100, 16), (500, 40)])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("alone", [0, 1 << 18])
def test_the_k_largest_are_those_of_a_stable_sort(monkeypatch, f, k, ties, alone):
    monkeypatch.setattr(largest, "ALONE", alone)
    rng = np.random.default_rng(f + k)
    linear, shift = rng.normal(size=(37, f)).astype(np.float32), rng.normal(size=f).astype(np.float32)
    if ties:
        linear, shift = np.round(linear), np.round(shift)
    for found, wanted in zip(largest.k_largest(linear, shift, k), slowly(linear, shift, k), strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("k", [5, 200])
def test_sparse_and_dense_topk_are_the_same_numbers(relu, k):
    generator = torch.Generator().manual_seed(0)
    linear, b_enc = torch.randn(50, 120, generator=generator), torch.randn(120, generator=generator)
    rule = TopK(k, relu=relu)
    row, feature, value = rule.sparse(linear, b_enc)
    dense = torch.zeros_like(linear)
    dense[row, feature] = value
    assert torch.equal(dense, rule(linear, b_enc))
    assert (torch.diff(row * 120 + feature) > 0).all(), "row by row, features in order"
