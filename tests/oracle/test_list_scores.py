"""Scores of many lists of pairs against the measures themselves, one list at a time."""

import numpy as np
import pytest

from congruence.metrics import METRICS, DecoderRows, OfProducts, lists, score_lists
from congruence.records import PairLists

F, G = 90, 110
CASES = [
    ("pc1_correlation", {}),
    ("pc1_correlation", {"center": False}),
    ("pc1_correlation", {"unit_rows": True}),
    ("linear_cka", {}),
    ("linear_cka", {"debiased": False}),
    ("linear_cka", {"unit_rows": True}),
    ("linear_cka", {"unit_rows": True, "debiased": False}),
    *[
        ("rsa", {"rdm": rdm, "compare": compare, "unit_rows": unit})
        for rdm in ("correlation", "cosine", "euclidean")
        for compare in ("spearman", "pearson")
        for unit in (False, True)
    ],
    ("rsa", {"compare": "kendall"}),
    ("procrustes", {}),
    ("svcca", {"n_components": "n/10"}),
]
MEASURES = [METRICS.get(name).bind(**options) for name, options in CASES]
IDS = [measure.label for measure in MEASURES]


@pytest.fixture(scope="module")
def decoders():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(F, 5))
    a = rng.normal(size=(F, 24)) + 2 * shared @ rng.normal(size=(5, 24))
    longer = np.vstack([shared, rng.normal(size=(G - F, 5))])
    b = rng.normal(size=(G, 40)) + 2 * longer @ rng.normal(size=(5, 40))
    return a.astype(np.float32), b.astype(np.float32)


def made(sizes, *, seed=1):
    rng = np.random.default_rng(seed)
    pairs = [(rng.choice(F, size, replace=False), rng.choice(G, size, replace=False)) for size in sizes]
    return PairLists.of(pairs)


@pytest.fixture(params=["kept", "made by each list"])
def kept(request, monkeypatch):
    if request.param != "kept":
        monkeypatch.setattr(lists, "PRODUCT_BYTES", 0)
    return request.param


@pytest.mark.parametrize("measure", MEASURES, ids=IDS)
def test_scores_are_those_of_the_measure(decoders, measure, kept):
    a, b = (DecoderRows(side) for side in decoders)
    drawn = made([3, 5, 12, 40, 80] * 4)
    found = score_lists([measure], a, b, drawn, threads=2)[0]
    compiled = isinstance(measure, OfProducts) and measure.from_products() is not None
    assert (a.product_bytes > 0) == (kept == "kept" and compiled)
    for draw, value in enumerate(found):
        rows_a, rows_b = drawn[draw]
        if len(rows_a) < 4 and measure.name == "linear_cka" and measure.debiased:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(float(measure(a.W_dec[rows_a], b.W_dec[rows_b])), abs=1e-6)


@pytest.mark.bits
def test_bits_depend_on_the_pairs_alone(decoders):
    """Not on threads, the lists beside one, kept products, or where in memory the rows begin."""
    drawn = made([0, 2, 3, 9, 31, 70] * 12)
    expected = score_lists(MEASURES, *(DecoderRows(side) for side in decoders), drawn)
    assert np.isnan(expected[:, drawn.lengths < 3]).all()
    assert np.isfinite(expected[:, drawn.lengths > 9]).all()
    moved = []
    for side in decoders:
        room = np.empty(side.size + 1, dtype=np.float32)
        moved.append(room[1:].reshape(side.shape))
        moved[-1][...] = side
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(
            score_lists(MEASURES, *map(DecoderRows, moved), drawn, threads=threads), expected
        )
    layers = [DecoderRows(side) for side in decoders]
    parts = [score_lists(MEASURES, *layers, drawn.part(lo, lo + 8)) for lo in range(0, 72, 8)]
    np.testing.assert_array_equal(np.hstack(parts), expected)


@pytest.mark.bits
def test_kept_products_change_no_bit(decoders, monkeypatch):
    drawn = made([4, 20, 60] * 10)
    kept = score_lists(MEASURES, *(DecoderRows(side) for side in decoders), drawn)
    with monkeypatch.context() as few_at_a_time:
        few_at_a_time.setattr(lists, "GATHERED", 5000)
        np.testing.assert_array_equal(
            score_lists(MEASURES, *(DecoderRows(side) for side in decoders), drawn, threads=3), kept
        )
    monkeypatch.setattr(lists, "PRODUCT_BYTES", 0)
    np.testing.assert_array_equal(
        score_lists(MEASURES, *(DecoderRows(side) for side in decoders), drawn), kept
    )


@pytest.mark.bits
def test_products_are_exact(decoders):
    """Sums of whole steps below 2⁵³: any order of summing, and exact fractions, give the same."""
    layer = DecoderRows(decoders[0])
    steps = layer._steps(np.arange(F))
    exact = np.array(
        [[sum(int(u) * int(v) for u, v in zip(x, y, strict=True)) for y in steps] for x in steps]
    )
    assert np.array_equal(steps @ steps.T, exact.astype(float))
    assert int(abs(exact).max()) < 2**53


def test_equal_pairs_in_another_order_tie(decoders):
    a, b = (DecoderRows(side) for side in decoders)
    (rows_a, rows_b), order = made([50])[0], np.random.default_rng(0).permutation(50)
    found = score_lists(MEASURES, a, b, PairLists.of([(rows_a, rows_b), (rows_a[order], rows_b[order])]))
    for measure, (one, two) in zip(MEASURES, found, strict=True):
        assert one == pytest.approx(two, abs=measure.list_resolution), measure.label


def test_equal_rows_tie_in_ranks():
    """Each row twice: distances to a row and to its copy tie, as they do for the measure itself."""
    rng = np.random.default_rng(0)
    a, b = (DecoderRows(np.repeat(rng.normal(size=(20, 30)), 2, axis=0).astype(np.float32)) for _ in range(2))
    drawn = PairLists.of([(rng.permutation(40)[:25], rng.permutation(40)[:25]) for _ in range(20)])
    for rdm in ("correlation", "cosine", "euclidean"):
        measure = METRICS.get("rsa").bind(rdm=rdm)
        exact = [float(measure(a.W_dec[drawn[d][0]], b.W_dec[drawn[d][1]])) for d in range(20)]
        assert measure.of_lists(a, b, drawn) == pytest.approx(exact, abs=1e-9)


def test_lists_without_a_score():
    rows = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    rows[:5], rows[5] = rows[0], 0.0
    layer, other = DecoderRows(rows), DecoderRows(rows[::-1])
    same, zero = (np.arange(5), np.arange(5)), (np.arange(4, 10), np.arange(6))
    drawn = PairLists.of([same, zero])
    found = dict(zip(IDS, score_lists(MEASURES, layer, other, drawn), strict=True))
    for label in (
        "pc1_correlation",
        "linear_cka",
        "linear_cka(debiased=False)",
        "rsa",
        "rsa(rdm=euclidean)",
        "procrustes",
    ):
        assert np.isnan(found[label][0]), label
    assert np.isnan(found["rsa"][1])
    assert np.isnan(found["linear_cka(unit_rows=True)"][1])
    assert np.isfinite(found["rsa(rdm=euclidean)"][1])
    assert np.isfinite(found["linear_cka"][1])


def test_no_lists():
    layer = DecoderRows(np.eye(4, dtype=np.float32))
    assert score_lists(MEASURES, layer, layer, PairLists.of([])).shape == (len(MEASURES), 0)


def test_a_leading_component_that_hardly_leads():
    """Nearly tied components still give the measure's own answer to what its warning threshold allows."""
    rng = np.random.default_rng(3)
    rows = DecoderRows(rng.normal(size=(200, 64)).astype(np.float32))
    drawn = PairLists.of(
        [(rng.choice(200, 60, replace=False), rng.choice(200, 60, replace=False)) for _ in range(50)]
    )
    measure = METRICS.get("pc1_correlation").bind()
    exact = [measure(rows.W_dec[x], rows.W_dec[y]).value for x, y in (drawn[d] for d in range(50))]
    assert measure.of_lists(rows, rows, drawn) == pytest.approx(exact, abs=2e-6)
