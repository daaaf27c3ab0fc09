"""What is made of products that measures share, and of bands, against the slow obvious way."""

import sys
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import rankdata

from congruence.errors import InputError
from congruence.metrics import METRICS, nuclear, procrustes, rotation
from congruence.metrics.inputs import shared
from congruence.metrics.shared import SharedRows
from congruence.significance import permutations_for

RSA = sys.modules["congruence.metrics.rsa"]  # the package has a function of that name
DEFAULTS = [
    ("translation_accuracy", {}),
    ("pc1_correlation", {}),
    ("rsa", {}),
    ("svcca", {"n_components": 9}),
]


def sides(n, d_a, d_b, seed=0):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 5))
    return tuple(2 * common @ rng.normal(size=(5, d)) + rng.normal(size=(n, d)) for d in (d_a, d_b))


@pytest.fixture
def large(monkeypatch):
    """Small sides take the ways of large ones."""
    monkeypatch.setattr(RSA, "FEW", 3)
    monkeypatch.setattr(rotation, "FEW", 3)


def scores(prepared, n):
    return np.append(prepared.repaired(permutations_for(0, 5, n)), float(prepared.observed()))


@pytest.mark.bits
@pytest.mark.parametrize(("name", "options"), DEFAULTS, ids=str)
def test_shared_rows_change_no_bit(name, options, large):
    """Alone or beside others, on one thread or three."""
    x, y = sides(90, 60, 70)
    alone = scores(METRICS.get(name).prepare(x, y, **options), 90)
    both = shared(x, y)
    for other, more in DEFAULTS:
        METRICS.get(other).prepare(*both, **more)
    np.testing.assert_array_equal(scores(METRICS.get(name).prepare(*both, **options), 90), alone)


def test_shared_rows_turn_into_arrays_and_are_checked():
    x, y = sides(30, 6, 7)
    a, b = shared(x, y)
    np.testing.assert_array_equal(np.asarray(a), x)
    assert float(METRICS.get("linear_cka").prepare(a, b).observed()) == float(METRICS.get("linear_cka")(x, y))
    unit = METRICS.get("pc1_correlation")
    assert float(unit(a, b, unit_rows=True)) == float(unit(x, y, unit_rows=True))
    with pytest.raises(InputError, match="x has zero variance"):
        shared(np.ones((30, 6)), y)
    with pytest.raises(InputError, match="x has 30 rows and y has 29"):
        shared(x, y[:29])


@pytest.mark.parametrize("rdm", ["correlation", "cosine"])
@pytest.mark.parametrize("shape", [(50, 80), (80, 50), (5, 3)])
def test_ranks_of_distances_from_products_are_scipys(rdm, shape, large):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, *shape)) + 0.2
    if len(x) > 10:
        x[1:4], y[7] = x[0], y[9]  # equal rows: their distances to others tie
    prepared: Any = METRICS.get("rsa").prepare(x, y, rdm=rdm)
    exact = np.round(pdist(x, rdm), 10)
    np.testing.assert_array_equal(prepared.triangle, 2 * rankdata(exact) - len(exact) - 1)


@pytest.mark.parametrize("broken", ["zero row", "mean alone"])
def test_rows_that_products_cannot_tell_are_measured_themselves(broken, large, monkeypatch):
    x, y = sides(40, 30, 30)
    if broken == "zero row":
        x[3] = 0
        with pytest.raises(InputError, match="constant rows"):
            METRICS.get("rsa").prepare(x, y)
        return
    x += 1e4
    products = scores(METRICS.get("rsa").prepare(x, y), 40)
    monkeypatch.setattr(RSA, "FEW", 1000)
    np.testing.assert_array_equal(scores(METRICS.get("rsa").prepare(x, y), 40), products)


@pytest.mark.parametrize("shift", [0.0, 0.3, 100.0])
@pytest.mark.parametrize("rows", [4096, 10])
def test_a_rotation_from_products_of_rows_finds_whom_the_decomposition_finds(shift, rows, monkeypatch):
    """A mean that is small, or nearly all there is; products of all rows, or of each half's own."""
    x, y = sides(120, 90, 75)
    x[50] = x[51]
    slow: Any = METRICS.get("translation_accuracy").prepare(x + shift, y - shift)
    monkeypatch.setattr(rotation, "_rotation", None)  # it isn't called
    monkeypatch.setattr(rotation, "FEW", 10)
    monkeypatch.setattr(rotation, "ROWS", rows)
    fast: Any = METRICS.get("translation_accuracy").prepare(x + shift, y - shift)
    np.testing.assert_array_equal(fast.tables[0].table, slow.tables[0].table)
    assert fast.observed() == slow.observed()


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (3, 2), (48, 48), (49, 48), (47, 200), (200, 33), (97, 96), (260, 300)], ids=str
)
def test_the_sum_of_singular_values_follows_from_a_band(shape):
    m = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = np.linalg.svd(m.astype(np.float64), compute_uv=False).sum()
    assert nuclear.nuclear_norm(m) == pytest.approx(expected, rel=1e-7)
    assert nuclear.nuclear_norm(m * np.float32(1e-12)) == pytest.approx(expected * 1e-12, rel=1e-7)


@pytest.mark.parametrize("kind", ["zero", "one column", "rank 3", "equal rows", "steep", "orthogonal"])
def test_singular_values_that_are_rounding_do_not_add_up(kind):
    rng = np.random.default_rng(0)
    m = rng.normal(size=(130, 150))
    if kind == "zero":
        m[:] = 0
    elif kind == "one column":
        m[:, 1:] = 0
    elif kind == "rank 3":
        m = rng.normal(size=(130, 3)) @ rng.normal(size=(3, 150))
    elif kind == "equal rows":
        m[1:60] = m[0]
    elif kind == "steep":
        m *= np.exp(-np.arange(150) / 5)
    else:
        m = np.linalg.qr(m.T)[0].T
    single = m.astype(np.float32)
    expected = np.linalg.svd(single.astype(np.float64), compute_uv=False).sum()
    assert nuclear.nuclear_norm(single) == pytest.approx(expected, rel=3e-7, abs=1e-12)


@pytest.mark.bits
def test_draws_of_procrustes_from_bands_are_those_of_singular_values(monkeypatch):
    """The same to below a tie, whatever else is drawn and on however many threads."""
    module = sys.modules["congruence.metrics.procrustes"]
    x, y = sides(300, 120, 130)
    orders = permutations_for(0, 5, 300)
    prepared = METRICS.get("procrustes").prepare(x, y)
    slow = prepared.repaired(orders)
    monkeypatch.setattr(module, "MANY", 50)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        found.append(prepared.repaired(orders))
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(prepared.repaired(orders[2:3]), found[0][2:3])
    assert found[0] == pytest.approx(slow, abs=prepared.resolution / 10)
    assert prepared.repaired(np.arange(300)[None])[0] == pytest.approx(float(procrustes(x, y)), abs=2.5e-7)


def test_shared_rows_are_made_once():
    side = SharedRows(sides(20, 4, 4)[0])
    assert side.products() is side.products()
    assert SharedRows.of(side, side.rows) is side
    assert SharedRows.of(side, side.rows.copy()) is not side
