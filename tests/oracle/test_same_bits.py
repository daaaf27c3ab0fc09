"""No score depends on how many threads made it, what stood beside it in a batch, or where inputs lie in memory."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from congruence.metrics import METRICS
from congruence.metrics.blas import one_blas_thread
from congruence.significance import permutations_for

N = 300
OPTIONS = {"mutual_knn": {"k": 4}, "jaccard_knn": {"k": 4}}
VARIANTS = [
    ("rsa", {"rdm": "euclidean"}),
    ("rsa", {"compare": "pearson"}),
    ("linear_cka", {"debiased": False}),
    ("svcca", {"n_components": "n/10"}),
    ("translation_accuracy", {"splits": 3}),
    ("translation_accuracy", {"candidates": 20}),
    ("mutual_knn", {"k": 4, "distance": "euclidean"}),
]
CASES = [(name, OPTIONS.get(name, {})) for name in METRICS.names()] + VARIANTS
every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=str)

pytestmark = pytest.mark.bits


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(N, 6))
    return tuple(shared @ rng.normal(size=(6, 37)) + rng.normal(size=(N, 37)) for _ in range(2))


ORDERS = permutations_for(0, 12, N)


def scores(name, options, x, y):
    prepared = METRICS.get(name).prepare(x, y, **options)
    return np.concatenate([[float(prepared.observed())], prepared.repaired(ORDERS)])


def moved(array, by):
    """The same numbers, `by` bytes off a multiple of 64."""
    room = np.empty(array.nbytes + 128, dtype=np.uint8)
    start = -room.ctypes.data % 64 + by
    out = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    out[...] = array
    return out


@every_case
def test_threads(name, options, sides, monkeypatch):
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        found.append(scores(name, options, *sides))
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


@every_case
def test_alignment(name, options, sides):
    expected = scores(name, options, *sides)
    for by in (8, 24, 32):
        np.testing.assert_array_equal(scores(name, options, *(moved(side, by) for side in sides)), expected)


@every_case
def test_batches(name, options, sides):
    prepared = METRICS.get(name).prepare(*sides, **options)
    expected = prepared.repaired(ORDERS)
    for size in (1, 5, 7):
        parts = [prepared.repaired(ORDERS[first : first + size]) for first in range(0, len(ORDERS), size)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_large_products_do_not_depend_on_blas_threads(monkeypatch):
    """Sizes at which BLAS itself would use several threads."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(700, 300)), rng.normal(size=(700, 260))
    for name in ("rsa", "linear_cka", "procrustes", "svcca", "pc1_correlation", "translation_accuracy"):
        found = []
        for threads in ("1", "3"):
            monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
            prepared = METRICS.get(name).prepare(x, y)
            draws = prepared.repaired(permutations_for(0, 4, 700))
            found.append(np.concatenate([[float(prepared.observed())], draws]))
        np.testing.assert_array_equal(*found, err_msg=name)


def test_any_thread_keeps_blas_to_one():
    """Whichever thread asked first, and however those that ask overlap."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(353, 96)), rng.normal(size=(353, 192))
    names = [("svcca", {"n_components": "n/10"}), ("procrustes", {}), ("heldout_cca", {}), ("pwcca", {})]

    def observed(_=0):
        return [float(METRICS.get(name).prepare(x, y, **options).observed()) for name, options in names]

    expected, before = observed(), blas_threads()
    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(observed, range(24)))
    assert blas_threads() == before

    def inside():
        with one_blas_thread():
            return blas_threads()

    with ThreadPoolExecutor(1) as pool:
        assert set(pool.submit(inside).result()) == {1}
    assert blas_threads() == before


def blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]
