"""What `correlate` takes, refuses, chooses and says."""

import logging

import numpy as np
import pytest
import torch
from scipy import sparse

from congruence.errors import InputError
from congruence.stats import correlate, dense_engine, prepare


def _acts(seed: int, n: int = 80, features: int = 12, density: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ((rng.random((n, features)) < density) * rng.exponential(size=(n, features))).astype(np.float32)


A, B = _acts(0), _acts(1, features=15)


@pytest.mark.parametrize(
    "kind",
    [
        np.asarray, np.asfortranarray, torch.as_tensor, sparse.csr_matrix, sparse.csc_array, sparse.coo_array, prepare,
        lambda x: sparse.csr_array(x.astype(np.float64)), lambda x: x.astype(np.float64), lambda x: torch.as_tensor(x).double().requires_grad_(),
    ],
)  # fmt: skip
def test_every_kind_of_activations_gives_the_same(kind):
    whole = correlate(sparse.csr_array(A), sparse.csr_array(B))
    found = correlate(kind(A), kind(B))
    np.testing.assert_allclose(found.values, whole.values, atol=1e-6)
    np.testing.assert_array_equal(found.indices, whole.indices)


def test_record_holds_the_statistics_of_both_sides():
    found = correlate(sparse.csr_array(A), B, top_k=2)
    assert found.values.shape == found.indices.shape == found.cofirings.shape == (12, 2)
    assert found.b_to_a.values.shape == (15, 2)
    np.testing.assert_array_equal(found.firings_a, (A != 0).sum(axis=0))
    np.testing.assert_allclose(found.mean_b, B.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.std_b, B.std(axis=0), rtol=1e-6)
    assert (found.n, found.top_k, found.measure, found.min_cofirings) == (80, 2, "pearson", 1)


def test_places_beyond_the_last_candidate_are_empty():
    constant = A[:, :3].copy()
    constant[:, 1] = 2.0
    found = correlate(B, constant, top_k=5)
    assert (found.indices[:, 2:] == -1).all()
    assert np.isnan(found.values[:, 2:]).all()
    assert (found.indices[:, :2] != 1).all()
    assert found.constant_b == 1
    assert found.b_to_a.indices[1].tolist() == [-1] * 5


def test_a_mask_is_the_same_as_leaving_tokens_out():
    mask = np.random.default_rng(0).random(80) < 0.5
    for engine in ("sparse", "dense"):
        one = correlate(sparse.csr_array(A), B, mask=mask, engine=engine)
        other = correlate(A[mask], B[mask], engine=engine)
        np.testing.assert_allclose(one.values, other.values, atol=1e-6)
        assert one.n == mask.sum()


def test_engine_goes_by_density_and_says_why(caplog):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(4000, 600)).astype(np.float32)
    thin = sparse.random_array((4000, 600), density=0.01, format="csr", rng=rng)
    with caplog.at_level(logging.INFO, logger="congruence.stats.correlation"):
        assert correlate(dense, dense).engine.name == "dense-cpu"
        assert correlate(thin, thin).engine.name == "sparse"
    assert "non-zero" in caplog.records[0].message
    assert "asked for" in correlate(thin, thin, engine="dense").engine.reason


def test_nothing_to_match():
    silent = sparse.csr_array((50, 4), dtype=np.float32)
    for engine in ("sparse", "dense"):
        found = correlate(silent, B[:50], engine=engine)
        assert (found.indices == -1).all()
        assert (found.b_to_a.indices == -1).all()
        assert correlate(np.zeros((5, 0)), B[:5], engine=engine).values.shape == (0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acts_b": B[:-1]}, "same tokens"),
        ({"acts_a": A[:1], "acts_b": B[:1]}, "at least two"),
        ({"acts_a": A[0]}, "tokens, features"),
        ({"acts_a": "acts.npz"}, "tokens, features"),
        ({"measure": "pearsons"}, "did you mean 'pearson'"),
        ({"engine": "fast"}, "engine"),
        ({"precision": "float16", "engine": "dense"}, "precision"),
        ({"top_k": 0}, "top_k"),
        ({"block_size": 0}, "block_size"),
        ({"mask": np.ones(3, bool)}, "mask"),
        ({"mask": np.ones(80)}, "boolean"),
        ({"acts_a": np.where(A > 0, np.nan, A)}, "NaN"),
        ({"acts_a": sparse.csr_array(np.where(A > 0, np.inf, A))}, "NaN or infinity"),
        ({"acts_a": A.astype(complex)}, "real numbers"),
        ({"acts_a": sparse.csr_array(A.astype(complex))}, "real numbers"),
    ],
)
def test_what_is_refused(change, message):
    options = {"acts_a": A, "acts_b": B} | change
    with pytest.raises(ValueError, match=message):
        correlate(options.pop("acts_a"), options.pop("acts_b"), **options)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_reduced_precision_only_misplaces_near_equals(precision):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(500, 40)).astype(np.float32), rng.normal(size=(500, 50)).astype(np.float32)
    exact = correlate(a, b, engine="dense")
    rough = correlate(a, b, engine="dense", precision=precision)
    np.testing.assert_allclose(rough.values, exact.values, atol=4e-3)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_, np.float16])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_whole_numbers_and_halves_are_read_as_they_are(dtype, kind):
    rng = np.random.default_rng(0)
    a, b = (((rng.random((80, f)) < 0.2) * rng.integers(1, 9, (80, f))).astype(dtype) for f in (12, 15))
    if kind is sparse.csr_array and dtype is np.float16:
        pytest.skip("scipy holds no float16")
    found, whole = correlate(kind(a), kind(b)), correlate(a.astype(float), b.astype(float))
    np.testing.assert_allclose(found.values, whole.values, atol=1e-6)
    np.testing.assert_array_equal(found.indices, whole.indices)


@pytest.mark.parametrize("top_k", [1, 4])
def test_a_gpus_way_to_list_partners_lists_the_same(monkeypatch, top_k):
    rng = np.random.default_rng(5)
    a = rng.normal(size=(300, 70)).astype(np.float32)
    b = np.concatenate([a[:, :20], a[:, :20], rng.normal(size=(300, 50))], axis=1).astype(np.float32)
    compiled = correlate(a, b, engine="dense", top_k=top_k, block_size=32)
    monkeypatch.setattr(dense_engine, "_offer_compiled", dense_engine._offer)
    by_torch = correlate(a, b, engine="dense", top_k=top_k, block_size=32)
    for one, other in ((compiled.a_to_b, by_torch.a_to_b), (compiled.b_to_a, by_torch.b_to_a)):
        assert np.array_equal(one.indices, other.indices)
        assert np.array_equal(one.values, other.values)
        assert np.array_equal(one.cofirings, other.cofirings)


OUT_OF_BOUNDS = {
    "a column beyond the last": ([0, 1, 2], [0, 9]),
    "a negative column": ([0, 1, 2], [0, -5]),
    "a column as large as int32 goes": ([0, 1, 2], [0, 2**31 - 1]),
    "pointers that lead beyond the values": ([0, 1, 10**6], [0, 1]),
    "pointers that descend": ([0, 2, 1], [0, 1]),
    "pointers that don't begin at 0": ([1, 1, 2], [0, 1]),
    "a negative pointer": ([0, -1, 2], [0, 1]),
}


@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("name", OUT_OF_BOUNDS)
def test_indices_that_lead_out_of_the_matrix_are_refused_before_a_kernel_sees_them(layout, name):
    pointers, indices = (np.array(values, dtype=np.int32) for values in OUT_OF_BOUNDS[name])
    acts = layout((2, 2), dtype=np.float32)
    acts.data, acts.indices, acts.indptr = np.ones(2, np.float32), indices, pointers
    with pytest.raises(InputError, match="activations"):
        prepare(acts)
