"""The fast re-pairing of every measure against scoring the re-paired rows from the beginning."""

import sys

import numpy as np
import pytest

from congruence.errors import InputError
from congruence.metrics import METRICS
from congruence.metrics.splits import halves

SIZES = [(9, 3, 3), (40, 6, 9), (40, 9, 6), (300, 7, 5), (20, 45, 30)]
HELD_OUT = ("heldout_cca", "heldout_r2", "translation_accuracy")
OPTIONS = {"mutual_knn": {"k": 4}, "jaccard_knn": {"k": 4}}
VARIANTS = [
    ("rsa", {"rdm": "euclidean"}),
    ("rsa", {"rdm": "cosine", "compare": "pearson"}),
    ("rsa", {"compare": "kendall"}),
    ("linear_cka", {"debiased": False}),
    ("procrustes", {"center": False}),
    ("svcca", {"n_components": 2}),
    ("mutual_knn", {"k": 2, "distance": "euclidean"}),
]
CASES = [(name, OPTIONS.get(name, {})) for name in METRICS.names() if name not in HELD_OUT] + VARIANTS


def made(n, d_a, d_b, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 2))
    x = shared @ rng.normal(size=(2, d_a)) + rng.normal(size=(n, d_a))
    return x, shared @ rng.normal(size=(2, d_b)) + rng.normal(size=(n, d_b))


def permutations(n, count=5):
    rng = np.random.default_rng(1)
    return np.stack([np.arange(n), *(rng.permutation(n) for _ in range(count - 1))])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_repaired_is_rescored(name, options, size):
    metric = METRICS.get(name)
    x, y = made(*size)
    if metric.laws.same_width:
        x, y = x[:, : min(size[1:])], y[:, : min(size[1:])]
    if name in ("svcca", "cca", "pwcca") and "n_components" not in options:
        options = {**options, "on_forced": "warn"}
    if name == "pwcca" and size[0] < size[1] + size[2]:
        pytest.skip("canonical variates that tie at 1 have no weights of their own")
    orders = permutations(len(x))
    prepared = metric.prepare(x, y, **options)
    slow = [float(metric(x, y[order], **options)) for order in orders]
    assert prepared.repaired(orders) == pytest.approx(slow, abs=1e-6)
    assert prepared.repaired(orders)[0] == pytest.approx(float(prepared.observed()), abs=prepared.resolution)


def test_rounding_of_many_zeros_stays_below_the_resolution():
    """Rows of rank 3 in 500 dimensions: 497 singular values that are only rounding must not add up."""
    shared = np.random.default_rng(0).normal(size=(600, 3))
    x, y = (shared @ np.random.default_rng(seed).normal(size=(3, 500)) for seed in (1, 2))
    prepared = METRICS.get("procrustes").prepare(x, y)
    same = prepared.repaired(np.arange(600)[None])[0]
    assert same == pytest.approx(float(prepared.observed()), rel=prepared.resolution / 2)


@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize("name", HELD_OUT)
def test_only_the_held_out_half_is_repaired(name, splits):
    """A draw keeps what was fitted: the same as re-pairing the held-out rows of y and scoring again."""
    x, y = made(50, 5, 6)
    prepared = METRICS.get(name).prepare(x, y, splits=splits)
    orders = permutations(50)
    expected = []
    for order in orders:
        turn = order[0] % splits
        held = halves(50, splits, 0)[turn].held
        moved = y.copy()
        moved[held] = y[held][first_return(order, held)]
        expected.append(METRICS.get(name).prepare(x, moved, splits=splits).tables[turn].observed())
    assert prepared.repaired(orders) == pytest.approx(expected, abs=1e-9)


def first_return(order, members):
    """Follow the permutation from each member until it is back among them, the slow way."""
    place = {member: i for i, member in enumerate(members)}
    out = []
    for member in members:
        i = order[member]
        while i not in place:
            i = order[i]
        out.append(place[i])
    return np.array(out)


@pytest.mark.parametrize("name", METRICS.names())
def test_wrong_permutations_are_refused(name):
    x, y = made(12, 3, 3)
    prepared = METRICS.get(name).prepare(x, y, **({"k": 4} if "knn" in name else {}))
    if not METRICS.get(name).laws.pairing:
        return
    for wrong in (np.arange(11)[None], np.arange(12), np.full((1, 12), 12), np.full((1, 12), -1)):
        with pytest.raises(InputError, match="permutations"):
            prepared.repaired(wrong)


def test_draws_are_the_same_on_one_core_and_many(monkeypatch):
    x, y = made(40, 6, 9)
    orders = permutations(40, count=9)
    many = {name: METRICS.get(name).prepare(x, y[:, :6]).repaired(orders) for name in METRICS.names()}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name, scores in many.items():
        one = METRICS.get(name).prepare(x, y[:, :6]).repaired(orders)
        assert np.array_equal(one, scores), name


def test_sums_of_ranks_are_exact_whichever_way_they_are_taken(monkeypatch):
    """Whole numbers in 64-bit runs, long and short ones, and in Python's own, which don't overflow."""
    from congruence.metrics import kernels
    from congruence.metrics.rdm import square

    n, rng = 70, np.random.default_rng(0)
    for largest in (10**3, 10**6, 2**29):
        triangle, other = rng.integers(-largest, largest, size=(2, n * (n - 1) // 2)).astype(np.int32)
        full, orders = square(other, n), permutations(n)
        upper = np.triu_indices(n, 1)
        exact = [
            sum(int(u) * int(v) for u, v in zip(triangle, full[order][:, order][upper], strict=True))
            for order in orders
        ]
        for given in (other, full):
            found = kernels.whole_triangle_draws(triangle, given, orders, n)
            assert found.tolist() == [float(one) for one in exact]
        monkeypatch.setattr(kernels, "TOGETHER", 2)
        monkeypatch.setattr(kernels, "UNFOLDED", 3)
        for given in (other, full):
            found = kernels.whole_triangle_draws(triangle, given, orders, n)
            assert found.tolist() == [float(one) for one in exact]
        monkeypatch.undo()


@pytest.mark.parametrize("n", [16, 33, 70, 300])
def test_sixteen_rows_at_a_time_give_the_same_sums(n, monkeypatch):
    """To the last digit, with ranks as large as there can be, whatever the batch and the number of threads."""
    from congruence.metrics import interleaved, kernels
    from congruence.metrics.rdm import square

    rng, largest = np.random.default_rng(0), 2**23
    triangle, other = rng.integers(-largest, largest, size=(2, n * (n - 1) // 2)).astype(np.int32)
    triangle[: n - 1], other[: n - 1] = largest, -largest
    full, orders = square(other, n), permutations(n, count=37)
    assert interleaved.fits(triangle, full)
    slow = kernels.whole_triangle_draws(triangle, full, orders, n)
    laid_out = interleaved.Interleaved(triangle, full)
    np.testing.assert_array_equal(laid_out.draws(orders), slow)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    np.testing.assert_array_equal(laid_out.draws(orders), slow)
    np.testing.assert_array_equal(laid_out.draws(orders[:1]), slow[:1])
    assert not interleaved.fits(triangle, full.astype(np.int64) * 2**12)


@pytest.mark.parametrize("wide", [True, False])
def test_draws_of_rsa_are_the_same_bits_on_any_processor(wide, monkeypatch):
    rsa = sys.modules["congruence.metrics.rsa"]  # the package has a function of that name
    x, y = made(300, 9, 12)
    orders = permutations(300, count=20)
    monkeypatch.setattr(rsa, "is_wide", lambda: False)
    slow = METRICS.get("rsa").prepare(x, y).repaired(orders)
    monkeypatch.setattr(rsa, "is_wide", lambda: wide)
    prepared = METRICS.get("rsa").prepare(x, y)
    np.testing.assert_array_equal(prepared.repaired(orders), slow)
    assert slow[0] == float(prepared.observed())


@pytest.mark.parametrize("shape", [(900, 700), (700, 900)])
@pytest.mark.parametrize("center", [True, False])
def test_leading_components_are_those_of_the_whole_decomposition(shape, center):
    from congruence.metrics.shared import SharedRows
    from congruence.metrics.subspace import components, leading_components

    x = np.random.default_rng(0).normal(size=shape) * 0.99 ** np.arange(shape[1]) + 0.3
    whole, leading = (
        components(x, "x", center=center),
        leading_components(SharedRows(x), "x", 60, center=center),
    )
    assert leading.s == pytest.approx(whole.s[:60], rel=1e-12)
    assert leading.total == pytest.approx(whole.total, rel=1e-12)
    assert np.abs(np.abs((leading.u * whole.u[:, :60]).sum(axis=0)) - 1).max() < 1e-9
    assert leading.u.T @ leading.u == pytest.approx(np.eye(60), abs=1e-10)
