"""What must not change the answer: batches, shards, threads, order of tokens and features, layout, engine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from congruence.stats import CoactivationState, MomentsState, correlate, prepare, sparse_engine, top_tokens
from slow_similarity import check_best, random_acts, slow_cofirings, slow_similarity

_FEW = settings(max_examples=40, deadline=None)


class Shards:
    """Stored activations: a FeatureActs whose blocks have the given sizes."""

    def __init__(self, acts: np.ndarray, sizes: list[int]) -> None:
        self.acts = sparse.csr_array(acts.astype(np.float32))
        self.shape = acts.shape
        self.cuts = np.minimum([0, *np.cumsum(sizes, dtype=int), len(acts)], len(acts))
        self.document_offsets = np.array([0, len(acts)])

    def __iter__(self):
        for start, stop in zip(self.cuts[:-1], self.cuts[1:], strict=True):
            yield self.acts[start:stop]


@st.composite
def _sides(draw) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 25))
    value = st.one_of(st.just(0.0), st.just(0.0), st.floats(1e-6, 1e6), st.sampled_from([1.0, 2.0]))
    a, b = (draw(arrays(np.float64, (n, draw(st.integers(1, 6))), elements=value)) for _ in range(2))
    return a, b


@_FEW
@given(_sides())
def test_any_sparse_input_matches_numpy(sides):
    a, b = sides
    values, cofirings = slow_similarity(a, b, "pearson"), slow_cofirings(a, b)
    found = correlate(sparse.csr_array(a), sparse.csr_array(b), top_k=2, engine="sparse")
    check_best(found.a_to_b, values, cofirings, top_k=2, atol=1e-5)
    check_best(found.b_to_a, values.T, cofirings.T, top_k=2, atol=1e-5)


@_FEW
@given(_sides(), st.lists(st.integers(0, 7), max_size=6), st.randoms(use_true_random=False))
def test_batches_in_any_order_give_the_same(sides, sizes, random):
    a, b = sides
    whole = correlate(sparse.csr_array(a), sparse.csr_array(b), top_k=2, engine="sparse")
    cuts = sorted({0, len(a), *np.minimum(np.cumsum(sizes), len(a)).tolist()})
    batches = [slice(start, stop) for start, stop in zip(cuts, cuts[1:], strict=False)]
    random.shuffle(batches)
    states = [CoactivationState(a.shape[1], b.shape[1]) for _ in range(2)]
    for i, batch in enumerate(batches):
        states[i % 2].update(sparse.csr_array(a[batch]), b[batch])
    states[0].merge(states[1])
    found = states[0].finalize(top_k=2, engine="sparse")
    np.testing.assert_allclose(found.values, whole.values, atol=1e-6)
    np.testing.assert_allclose(found.b_to_a.values, whole.b_to_a.values, atol=1e-6)
    np.testing.assert_allclose(found.mean_a, whole.mean_a, rtol=1e-12)
    np.testing.assert_allclose(found.std_b, whole.std_b, rtol=1e-9)


@_FEW
@given(_sides(), st.permutations(range(3)))
def test_merging_moments_is_associative(sides, order):
    parts = np.array_split(sides[0], 3)
    states = []
    for part in parts:
        states.append(MomentsState(part.shape[1]))
        states[-1].update(sparse.csr_array(part)) if len(part) else None
    left, right = MomentsState(parts[0].shape[1]), MomentsState(parts[0].shape[1])
    for i in order:
        left.merge(states[i])
    states[1].merge(states[2])
    right.merge(states[0])
    right.merge(states[1])
    one, other = left.finalize(), right.finalize()
    np.testing.assert_array_equal(one.firings, other.firings)
    np.testing.assert_array_equal(one.constant, other.constant)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12)
    np.testing.assert_allclose(one.std, other.std, rtol=1e-7, atol=1e-12)


@pytest.fixture(scope="module")
def sides() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    a, b = random_acts(rng, 700, 150, 0.05), random_acts(rng, 700, 200, 0.05)
    a[:, 0], b[:, 1] = 4 + rng.normal(size=700), rng.random(700) < 0.8
    return a, b


def _same(one, other, *, exact: bool = False) -> None:
    for x, y in ((one.a_to_b, other.a_to_b), (one.b_to_a, other.b_to_a)):
        np.testing.assert_allclose(x.values, y.values, atol=0 if exact else 1e-6)
        np.testing.assert_array_equal(x.indices, y.indices)
        np.testing.assert_array_equal(x.cofirings, y.cofirings)


@pytest.mark.bits
@pytest.mark.parametrize("measure", ["pearson", "euclidean"])
def test_one_thread_is_many_threads(sides, measure):
    a, b = (prepare(sparse.csr_array(side)) for side in sides)
    one = correlate(a, b, measure=measure, top_k=3, threads=1, engine="sparse")
    for threads in (2, 5):
        _same(one, correlate(a, b, measure=measure, top_k=3, threads=threads, engine="sparse"), exact=True)


@pytest.mark.parametrize("block_size", [1, 7, 64, 100])
@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_block_size_changes_nothing(sides, block_size, engine):
    if engine == "dense" and block_size == 1:
        pytest.skip("30,000 tiles of one cell")
    a, b = (prepare(sparse.csr_array(side)) for side in sides)
    whole = correlate(a, b, top_k=2, engine=engine)
    _same(whole, correlate(a, b, top_k=2, engine=engine, block_size=block_size))


def test_what_fits_in_memory_changes_nothing(sides, monkeypatch):
    a, b = (Shards(side, [100, 300]) for side in sides)
    whole = correlate(a, b, top_k=2, engine="sparse")
    monkeypatch.setattr(sparse_engine, "GROUP_ENTRIES", 500)
    _same(whole, correlate(a, b, top_k=2, engine="sparse", block_size=16), exact=True)


@pytest.mark.parametrize("sizes", [[], [1, 1, 500], [0, 699, 1], [64] * 10])
def test_shards_are_the_whole(sides, sizes):
    mask = np.random.default_rng(0).random(700) < 0.8
    stored = [Shards(side, sizes) for side in sides]
    matrices = [sparse.csr_array(side.astype(np.float32)) for side in sides]
    for keep in (None, mask):
        _same(correlate(*stored, top_k=2, mask=keep), correlate(*matrices, top_k=2, mask=keep), exact=True)
    ids = np.arange(700) * 3
    one, other = (top_tokens(acts, ids, mask=mask) for acts in (stored[0], matrices[0]))
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.values, other.values)


def test_permuting_tokens_or_features_permutes_the_answer(sides):
    rng = np.random.default_rng(0)
    a, b = sides
    whole = correlate(sparse.csr_array(a), sparse.csr_array(b), top_k=2)
    tokens = rng.permutation(len(a))
    _same(whole, correlate(sparse.csr_array(a[tokens]), sparse.csr_array(b[tokens]), top_k=2))
    of_a, of_b = rng.permutation(a.shape[1]), rng.permutation(b.shape[1])
    moved = correlate(sparse.csr_array(a[:, of_a]), sparse.csr_array(b[:, of_b]), top_k=2)
    np.testing.assert_allclose(moved.values, whole.values[of_a], atol=1e-9)
    np.testing.assert_array_equal(of_b[moved.indices], whole.indices[of_a])


def test_sides_may_be_swapped(sides):
    a, b = sides
    one, other = correlate(a, b, top_k=2, engine="sparse"), correlate(b, a, top_k=2, engine="sparse").swap()
    _same(one, other)


def test_stored_zeros_duplicates_and_unsorted_columns_are_read_as_their_sum(sides):
    a, b = (sparse.csr_array(side) for side in sides)
    coo = a.tocoo()
    row, column = coo.coords
    half = sparse.csr_array(
        (np.concatenate([coo.data / 2, coo.data / 2, np.zeros(3)]),
         (np.concatenate([row, row, [0, 1, 2]]), np.concatenate([column, column, [5, 5, 5]]))), shape=a.shape,
    )  # fmt: skip
    order = np.lexsort((-half.indices, np.repeat(np.arange(half.shape[0]), np.diff(half.indptr))))
    untidy = sparse.csr_array((half.data[order], half.indices[order], half.indptr), shape=a.shape)
    before = untidy.nnz
    _same(correlate(untidy, b, top_k=2), correlate(a, b, top_k=2), exact=True)
    assert untidy.nnz == before
