"""Wide dictionaries encoded in blocks of features: the dense encoding's numbers, and memory as stated."""

import numpy as np
import pytest
import torch
from scipy import sparse

from congruence.saes import Sae, encoding
from congruence.saes.activation_functions import AbsTopK, Gated, GroupMax, JumpReLU, ReLU, TopK
from congruence.saes.block_kernels import RunningLargest, above
from congruence.saes.crosscoder import Crosscoder, Reader
from congruence.saes.encoding import encode_tokens
from congruence.saes.input_scaling import LayerNorm, Unscaled

F = 50
SHAPES = [(1, 1, 1), (3, 7, 3), (17, 200, 64), (40, 333, 100)]
"""Tokens, features, features in a block."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WIDE": 1, "TOKENS": 6, "FEATURES": 8, "FEATURES_ELSEWHERE": 8}.items():
        monkeypatch.setattr(encoding, name, value)


@pytest.fixture(params=["compiled", "torch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way of a CPU, and that of other devices on one."""
    if request.param == "torch":
        monkeypatch.setattr(encoding, "EXACT_IN_FLOAT32", ())
    return request.param


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rules(d_sae: int) -> dict[str, encoding.Activation]:
    threshold = drawn(d_sae, seed=1)
    threshold[::5] = torch.inf
    return {
        "relu": ReLU(),
        "jumprelu": JumpReLU(threshold),
        "jumprelu_scalar": JumpReLU(torch.tensor(0.7)),
        "never": JumpReLU(torch.tensor(torch.inf)),
        "gated": Gated(drawn(d_sae, seed=2), drawn(d_sae, seed=3)),
        "topk": TopK(min(4, d_sae)),
        "topk_many": TopK(3 * d_sae),  # more than there are, and than are positive
        "topk_signed": TopK(d_sae - d_sae // 3, relu=False),
    }


def given(linear: torch.Tensor):
    """What some tokens' products are, where the products themselves are the input."""
    return lambda features: linear[:, features]


def slowly(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    columns = np.sort(np.argsort(-values, axis=1, kind="stable")[:, :k], axis=1)
    return np.take_along_axis(values, columns, axis=1), columns


@pytest.mark.bits
@pytest.mark.parametrize(("n", "f", "width"), SHAPES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_the_running_k_largest_are_those_of_a_stable_sort(n, f, width, ties, share):
    values, k = drawn(n, f, seed=f).numpy(), max(1, int(share * f))
    values = np.round(values) if ties else values
    for threads in (None, 1, 2, 3):
        largest = RunningLargest(n, k)
        for first in range(0, f, width):
            largest.add(np.ascontiguousarray(values[:, first : first + width]), first, threads=threads)
        for found, wanted in zip(largest.found(), slowly(values, k), strict=True):
            assert np.array_equal(found, wanted)


def test_what_nothing_took_is_zero():
    largest = RunningLargest(2, 3)
    largest.add(np.float32([[-np.inf, 2], [1, -np.inf]]), 5)
    values, columns = largest.found()
    assert values.tolist() == [[2, 0, 0], [1, 0, 0]]
    assert columns.tolist() == [[6, 0, 0], [5, 0, 0]]


@pytest.mark.bits
@pytest.mark.parametrize(("n", "f", "width"), SHAPES)
@pytest.mark.parametrize("least", [-10.0, 0.0, 2.0, np.inf])
def test_what_is_above_its_floor_is_what_a_mask_says(n, f, width, least):
    values, floor = drawn(n, f, seed=f).numpy(), np.maximum(drawn(f, seed=n).numpy(), np.float32(least))
    values[:, ::3] = floor[::3]
    values[n // 2, f // 2] = np.nan
    wanted = sparse.csr_array((values[mask := ~(values <= floor)], np.nonzero(mask)), shape=(n, f))
    for threads in (None, 1, 2, 3):
        data, indices, indptr = above(values, floor, threads=threads)
        assert np.array_equal(data, wanted.data, equal_nan=True)
        assert np.array_equal(indices, wanted.indices)
        assert np.array_equal(indptr, wanted.indptr)


@pytest.mark.bits
@pytest.mark.parametrize("rule", rules(F))
@pytest.mark.parametrize("n", [1, 5, 23])
def test_given_products_make_the_dense_form_bit_for_bit(way, rule, n):
    linear, b_enc, made = drawn(n, F), drawn(F, seed=4), rules(F)[rule]
    found = encode_tokens(linear, given, made, b_enc)
    assert found.has_canonical_format
    assert found.data.dtype == np.float32
    assert (found.data != 0).all()
    assert np.array_equal(found.toarray(), made(linear, b_enc).numpy())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("rule", rules(F))
def test_other_types_too(way, rule, dtype):
    linear, b_enc, made = drawn(9, F).to(dtype), drawn(F, seed=4).to(dtype), rules(F)[rule].to(dtype=dtype)
    found, dense = encode_tokens(linear, given, made, b_enc).toarray(), made(linear, b_enc).float().numpy()
    # of equal bfloat16 values at the k-th place either may be kept
    assert np.array_equal(np.sort(found), np.sort(dense))
    assert (found != dense).mean() < 0.02


def test_of_equal_values_the_first_feature_fires():
    linear = torch.ones(3, F)
    found = encode_tokens(linear, given, TopK(5), torch.zeros(F))
    assert np.array_equal(found.indices.reshape(3, 5), np.tile(np.arange(5), (3, 1)))


@pytest.mark.parametrize("rule", rules(F))
@pytest.mark.parametrize("scaling", [Unscaled(), LayerNorm()], ids=lambda scaling: scaling.name)
@pytest.mark.parametrize("rescaled", [False, True])
def test_an_sae_in_blocks_is_the_sae(way, rule, scaling, rescaled):
    d, made = 16, rules(F)[rule]
    tensors = drawn(d, F), drawn(F, d, seed=5), drawn(F, seed=6), drawn(d, seed=7)
    sae = Sae(*tensors, made, rule, scaling, rescale_by_decoder_norm=rescaled)
    x = drawn(23, d, seed=8)
    found, dense = sae.encode_csr(x), sae.encode(x).numpy()
    np.testing.assert_allclose(found.toarray(), dense, atol=1e-4, rtol=1e-5)
    at_once = sae.encode_csr(x, batch_size=23)
    assert np.array_equal(found.indices, at_once.indices)
    assert np.array_equal(found.indptr, at_once.indptr)
    assert sae.encode_csr(x[:0]).shape == (0, F)


def test_what_fires_is_the_same_beyond_rounding():
    """Features differ only where a value is within rounding of the k-th or of the threshold."""
    d, d_sae, k, threshold = 96, 3000, 20, 8.0
    sae = Sae(drawn(d, d_sae), drawn(d_sae, d, seed=1), torch.zeros(d_sae), torch.zeros(d), TopK(k))
    x = drawn(50, d, seed=2)
    pre = (x.double() @ sae.W_enc.double()).numpy()
    kth = np.sort(pre, axis=1)[:, -k, None]
    for rule, least in ((TopK(k), kth), (JumpReLU(torch.tensor(threshold)), threshold)):
        found = Sae(sae.W_enc, sae.W_dec, sae.b_enc, sae.b_dec, rule).encode_csr(x).toarray()
        clear = np.abs(pre - least) > 1e-4
        assert np.array_equal((found != 0)[clear], (pre > least)[clear])
        assert clear.mean() > 0.999


def test_no_more_is_multiplied_at_a_time_than_stated():
    asked = []

    def products(batch):
        def product(features):
            asked.append((len(batch), features.stop - features.start))
            return batch[:, features]

        return product

    encode_tokens(drawn(23, F), products, TopK(3), torch.zeros(F))
    tokens, features = zip(*asked, strict=True)
    assert sorted(set(tokens)) == [5, 6], "batches of about one length, no token by itself"
    assert sorted(set(features)) == [2, 8]
    assert len(asked) == 4 * 7


@pytest.mark.parametrize(
    "rule", [AbsTopK(3), TopK(3, weight=drawn(F).abs()), GroupMax(5)], ids=["abstopk", "weighted", "groupmax"]
)
def test_rules_that_need_all_features_see_all(rule):
    linear = drawn(23, F)

    def whole(batch):
        def product(features):
            assert (features.start, features.stop) == (0, F)
            return batch[:, features]

        return product

    found = encode_tokens(linear, whole, rule, torch.zeros(F))
    assert np.array_equal(found.toarray(), rule(linear, torch.zeros(F)).numpy())


def test_narrow_dictionaries_are_encoded_as_before(monkeypatch):
    monkeypatch.setattr(encoding, "WIDE", F + 1)
    asked = []
    encode_tokens(
        drawn(23, F), lambda batch: lambda features: asked.append(features) or batch, ReLU(), torch.zeros(F)
    )
    assert asked == [slice(0, F)]


@pytest.mark.parametrize("rules_", [(TopK(4),), (JumpReLU(torch.tensor(1.0)), TopK(2))], ids=["one", "each"])
def test_a_crosscoder_whose_features_read_different_places(way, rules_):
    d, sizes = 12, (13, 20, 17)
    readers = tuple(
        Reader(places, drawn(len(places), d, size, seed=size))
        for places, size in zip([(0,), (0, 1), (1,)], sizes, strict=True)
    )
    coder = Crosscoder(readers, drawn(2, F, d), drawn(F, seed=1), drawn(2, d), rules_)
    x = drawn(23, 2, d, seed=2)
    dense = coder.encode(x)
    for place in range(2):
        wanted = dense if dense.ndim == 2 else dense[:, place]
        found = coder.encode_csr(x, place=place).toarray()
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4, rtol=1e-5)
    assert coder.encode_csr(x[:0]).shape == (0, F)
