"""What must not change the answer: batches, shards, threads, order of tokens and features, layout, engine."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from congruence.matching import InsidePairing, LayerColumns, SubsetPairing
from congruence.stats import MomentsState, correlate, of_features, prepare, rolled, sparse_engine, top_tokens
from congruence.stats.layout import build_columns, build_rows
from slow_similarity import MEASURES, check_best, random_acts, slow_cofirings, slow_similarity

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
@given(_sides(), st.lists(st.integers(0, 7), max_size=6))
def test_batches_of_any_size_give_the_same(sides, sizes):
    a, b = (side.astype(np.float32) for side in sides)
    whole = correlate(sparse.csr_array(a), sparse.csr_array(b), top_k=2, engine="sparse")
    found = correlate(Shards(a, sizes), Shards(b, sizes[::-1]), top_k=2, engine="sparse")
    _same(found, whole, exact=True)
    for side in ("mean_a", "std_a", "mean_b", "std_b"):
        np.testing.assert_array_equal(getattr(found, side), getattr(whole, side))


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
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_one_thread_is_many_threads(sides, measure, engine, monkeypatch):
    found = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3, 5):
        monkeypatch.setenv("NUMBA_NUM_THREADS", str(threads))
        torch.set_num_threads(threads)
        a, b = (prepare(sparse.csr_array(side)) for side in sides)
        found.append(correlate(a, b, measure=measure, top_k=3, threads=threads, engine=engine))
    torch.set_num_threads(before)
    for other in found[1:]:
        _same(found[0], other, exact=True)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("shift", [0, 1, 300, 699])
def test_a_rolled_layout_is_the_layout_of_the_rolled_tokens(sides, measure, shift):
    for side in (sides[0], Shards(sides[1], [100, 300])):
        acts = prepare(sparse.csr_array(side) if isinstance(side, np.ndarray) else side)
        acts.document_offsets = np.array([0, 200, 500, 700])
        moved = rolled(acts, shift)
        scaling = acts.scaling(measure)
        columns = build_columns(moved.source, acts.moments, scaling, acts.varying)
        rows = build_rows(moved.source, acts.moments, scaling, acts.varying, 16)
        for built, made in ((columns, moved.columns(measure)), (rows, moved.rows(measure, 16))):
            for name, value in vars(built).items():
                np.testing.assert_array_equal(value, getattr(made, name))
        ends = np.sort(np.append((np.array([0, 200, 500]) + shift) % 700, 700))
        np.testing.assert_array_equal(moved.document_offsets, ends)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_chosen_features_correlate_as_if_there_were_no_others(sides, measure, engine):
    rng = np.random.default_rng(4)
    features = [
        np.append(rng.choice(np.arange(2, side.shape[1]), 40, replace=False), [1, 0]) for side in sides
    ]
    stored = [prepare(Shards(sides[0], [100, 300])), prepare(sparse.csr_array(sides[1].astype(np.float32)))]
    alone = [
        sparse.csr_array(side[:, own].astype(np.float32)) for side, own in zip(sides, features, strict=True)
    ]
    chosen = [of_features(acts, own) for acts, own in zip(stored, features, strict=True)]
    how = {"measure": measure, "engine": engine, "top_k": 2}
    _same(correlate(*chosen, **how), correlate(*alone, **how), exact=True)
    moved, expected = rolled(chosen[0], 77), rolled(prepare(alone[0]), 77)
    _same(correlate(moved, chosen[1], **how), correlate(expected, alone[1], **how), exact=True)
    mask = rng.random(700) < 0.5
    _same(correlate(chosen[0].part(mask), chosen[1].part(mask)), correlate(*alone, mask=mask), exact=True)


def test_rolled_sides_correlate_as_rolled_arrays(sides):
    a, b = (sparse.csr_array(side) for side in sides)
    moved = correlate(rolled(prepare(a), 123), prepare(b), top_k=2)
    _same(moved, correlate(sparse.csr_array(np.roll(sides[0], 123, axis=0)), b, top_k=2))


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


def test_stored_sides_are_paired_inside_subsets_as_those_in_memory(sides):
    stored = [prepare(Shards(side, sizes)) for side, sizes in zip(sides, ([100, 300], [64] * 9), strict=True)]
    whole = [prepare(sparse.csr_array(side.astype(np.float32))) for side in sides]
    one, other = (
        SubsetPairing(*(LayerColumns.of(side) for side in pair), InsidePairing()).pairs(
            np.arange(0, 150, 2), np.arange(90)
        )
        for pair in (stored, whole)
    )
    assert len(one)
    for part in ("feature_a", "feature_b", "r", "cofirings", "margin", "mutual"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
    mask = np.random.default_rng(0).random(700) < 0.5
    for view in (
        lambda side: side.part(mask),
        lambda side: side.part(np.repeat(np.flatnonzero(mask), 3)),
        lambda side: side,
    ):
        found, expected = (correlate(view(pair[0]), rolled(view(pair[1]), 99)) for pair in (stored, whole))
        _same(found, expected, exact=True)


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
