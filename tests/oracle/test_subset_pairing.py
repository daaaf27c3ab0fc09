"""Pairing inside subsets: the compiled loops, in both layouts, against the plain way."""

import numpy as np
import pytest
from scipy import sparse

from congruence.errors import ConfigError, InputError
from congruence.matching import InsidePairing, LayerColumns, Ragged, SubsetPairing, inside, one_to_one
from congruence.records import PairLists
from congruence.stats import correlate, full_correlation

N, F, G = 300, 40, 50


def activations(seed, features):
    rng = np.random.default_rng(seed)
    dense = rng.exponential(size=(N, features)) * (rng.random((N, features)) < 0.15)
    dense[:, 3] = 0  # dead
    return sparse.csr_array(dense.astype(np.float32))


@pytest.fixture(scope="module")
def sides():
    return activations(0, F), activations(1, G)


def plain(values, how):
    """The pairs of a block of similarities by the words of the definition."""
    p, q = values.shape
    if how.method == "greedy":
        order = sorted((-values[i, j], i, j) for i in range(p) for j in range(q))
    elif how.method == "mutual_best":
        order = [
            (0, i, j)
            for i in range(p)
            for j in range(q)
            if values[i].argmax() == j and values[:, j].argmax() == i
        ]
    elif how.from_ == "b":
        order = [(0, int(values[:, j].argmax()), j) for j in range(q)]
    else:
        order = [(0, i, int(values[i].argmax())) for i in range(p)]
    if how.method == "many_to_one" and how.keep == "best":
        order = sorted(order, key=lambda e: -values[e[1], e[2]])
    pairs, used_a, used_b = set(), set(), set()
    for _, i, j in order:
        if i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
            if values[i, j] > how.min_value:
                pairs.add((i, j))
    return pairs


@pytest.mark.parametrize("by_matrix", [True, False], ids=["matrix", "columns"])
@pytest.mark.parametrize("measure", ["pearson", "cosine", "euclidean", "jaccard"])
@pytest.mark.parametrize(
    "method",
    [
        {"method": "many_to_one", "from_": "b"},
        {"method": "many_to_one", "from_": "a"},
        {"method": "many_to_one", "from_": "b", "keep": "first"},
        {"method": "greedy"},
        {"method": "mutual_best"},
        {"method": "greedy", "min_value": 0.0},
    ],
)
def test_pairs_are_those_of_the_definition(sides, measure, method, by_matrix, monkeypatch):
    if not by_matrix:
        monkeypatch.setattr(inside, "MATRIX_ENTRIES", 0)
    acts_a, acts_b = sides
    how = InsidePairing(measure=measure, **method)
    full = full_correlation(acts_a, acts_b, measure=measure)
    rng = np.random.default_rng(5)
    subsets = [
        (np.sort(rng.choice(F, 12, replace=False)), np.sort(rng.choice(G, 9, replace=False)))
        for _ in range(20)
    ]
    pairing = SubsetPairing(LayerColumns.of(acts_a), LayerColumns.of(acts_b), how)
    found = pairing.draws(Ragged.of([a for a, _ in subsets]), Ragged.of([b for _, b in subsets]))
    for d, subset in enumerate(subsets):
        a, b = (features[features != 3] for features in subset)
        block = full[np.ix_(a, b)]
        expected = {(a[i], b[j]) for i, j in plain(block, how)}
        assert set(zip(*(side.tolist() for side in found[d]), strict=True)) == expected
        once = pairing.pairs(a, b)
        assert set(zip(once.feature_a.tolist(), once.feature_b.tolist(), strict=True)) == expected
        assert np.allclose(once.r, full[once.feature_a, once.feature_b], atol=1e-6)


@pytest.mark.bits
@pytest.mark.parametrize("measure", ["pearson", "cosine", "euclidean", "jaccard"])
@pytest.mark.parametrize("by_matrix", [True, False], ids=["matrix", "columns"])
def test_neither_threads_nor_how_draws_are_split_matter(sides, by_matrix, measure, monkeypatch):
    if not by_matrix:
        monkeypatch.setattr(inside, "MATRIX_ENTRIES", 0)
    a, b = (LayerColumns.of(side) for side in sides)
    rng = np.random.default_rng(1)
    lists_a = Ragged.of([rng.choice(F, size, replace=False) for size in rng.integers(0, 9, 31)])
    lists_b = Ragged.of([rng.choice(G, size, replace=False) for size in rng.integers(0, 9, 31)])
    how = InsidePairing(measure=measure)
    one = SubsetPairing(a, b, how).draws(lists_a, lists_b)
    assert one.lengths.sum() > 0
    for threads in (2, 3, 40):
        same_lists(one, SubsetPairing(a, b, how).draws(lists_a, lists_b, threads=threads))
    pairing = SubsetPairing(a, b, how)
    for cuts in ([0, 1, 31], [0, 10, 11, 30, 31]):
        parts = [np.arange(low, high) for low, high in zip(cuts[:-1], cuts[1:], strict=True)]
        split = [pairing.draws(lists_a.take(part), lists_b.take(part)) for part in parts]
        same_lists(one, PairLists.joined(split))


def same_lists(one, other):
    for part in ("a", "b", "offsets"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


@pytest.mark.parametrize("measure", ["pearson", "cosine", "euclidean", "jaccard"])
def test_both_layouts_give_the_same_bits(sides, measure):
    how = InsidePairing(measure=measure)
    pairing = SubsetPairing(*(LayerColumns.of(side) for side in with_frequent(sides)), how)
    features_a, features_b = np.arange(F)[::-1], np.arange(G)
    by_columns = pairing.pairs(features_a, features_b)
    pairing.draws(*(Ragged.of([features] * 2) for features in (features_a, features_b)))
    assert pairing._matrix is not None
    by_matrix = pairing.pairs(features_a, features_b)
    for part in ("feature_a", "feature_b", "r", "cofirings", "margin", "mutual"):
        np.testing.assert_array_equal(getattr(by_columns, part), getattr(by_matrix, part))


def with_frequent(sides):
    """The sides, with a feature that fires on nearly every token and one that always does."""
    dense = [side.toarray() for side in sides]
    rng = np.random.default_rng(9)
    dense[0][:, 7] = 5 + rng.random(N)
    dense[1][:, 8] = rng.random(N) * (rng.random(N) < 0.9)
    return [sparse.csr_array(values) for values in dense]


@pytest.mark.bits
@pytest.mark.parametrize("min_cofirings", [0, 3])
@pytest.mark.parametrize("measure", ["pearson", "cosine", "euclidean", "jaccard"])
def test_features_left_out_change_no_bit_of_the_others(sides, measure, min_cofirings):
    acts, rng = with_frequent(sides), np.random.default_rng(3)
    how = InsidePairing(measure=measure, min_cofirings=min_cofirings)
    out = [rng.random(F) < 0.3, rng.random(G) < 0.3]
    out[0][7] = out[1][8] = False
    left = [np.flatnonzero(~some) for some in out]
    whole = SubsetPairing(*(LayerColumns.of(side) for side in acts), how)
    layers = [LayerColumns.of(side, exclude=some) for side, some in zip(acts, out, strict=True)]
    pairing = SubsetPairing(*layers, how)
    lists = [Ragged.of([rng.permutation(some)[:12] for _ in range(9)]) for some in left]
    same_lists(pairing.draws(*lists, threads=2), whole.draws(*lists))
    for part in ("feature_a", "feature_b", "r", "cofirings", "margin", "mutual"):
        np.testing.assert_array_equal(
            getattr(pairing.pairs(*left), part), getattr(whole.pairs(*left), part), strict=True
        )
    assert len(pairing.pairs(*(np.flatnonzero(some) for some in out))) == 0


@pytest.mark.parametrize("measure", ["pearson", "cosine", "euclidean", "jaccard"])
@pytest.mark.parametrize("from_", ["a", "b"])
def test_pairs_inside_all_features_are_those_of_the_whole_space(sides, measure, from_):
    acts = with_frequent(sides)
    whole = one_to_one(correlate(*acts, measure=measure, top_k=2, engine="sparse"), from_=from_)
    inside_all = SubsetPairing(
        *(LayerColumns.of(side) for side in acts), InsidePairing(measure=measure, from_=from_)
    ).pairs(np.arange(F), np.arange(G))
    order = np.argsort(inside_all.feature_b if from_ == "b" else inside_all.feature_a)
    found = inside_all.select(order)
    for part in ("feature_a", "feature_b", "firings_a", "firings_b", "cofirings", "mutual"):
        np.testing.assert_array_equal(getattr(found, part), getattr(whole, part))
    np.testing.assert_allclose(found.r, whole.r, atol=1e-10)
    np.testing.assert_allclose(found.margin, whole.margin, atol=1e-10)
    assert found.unmatched == whole.unmatched
    assert found.measure == whole.measure


def test_margin_is_nan_without_another_partner(sides):
    pairing = SubsetPairing(*(LayerColumns.of(side) for side in sides), InsidePairing())
    alone = pairing.pairs(np.array([5]), np.array([1, 2]))
    assert len(alone) == 1
    assert np.isnan(alone.margin).all()


def test_cofirings_are_counted_and_thresholded(sides):
    acts_a, acts_b = sides
    pairing = SubsetPairing(LayerColumns.of(acts_a), LayerColumns.of(acts_b), InsidePairing(min_cofirings=9))
    found = pairing.pairs(np.arange(F), np.arange(G))
    both = (acts_a > 0).astype(int).T @ (acts_b > 0).astype(int)
    assert (found.cofirings == both.toarray()[found.feature_a, found.feature_b]).all()
    assert len(found)
    assert found.cofirings.min() >= 9


def test_unusable_input(sides):
    with pytest.raises(ConfigError, match="greedy"):
        InsidePairing(method="greedi")
    with pytest.raises(ConfigError, match="pearson"):
        InsidePairing(measure="person")
    with pytest.raises(InputError, match="same tokens"):
        SubsetPairing(LayerColumns.of(sides[0]), LayerColumns.of(sides[1][:100]), InsidePairing())
    empty = SubsetPairing(*(LayerColumns.of(side) for side in sides), InsidePairing()).pairs(
        np.array([3]), np.arange(5)
    )
    assert len(empty) == 0
