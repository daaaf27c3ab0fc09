"""LAPACK without the interpreter's lock against scipy's own functions, and that the lock is free."""

import threading
import time

import numpy as np
import pytest
from scipy import linalg

from congruence.errors import InputError
from congruence.metrics import lapack
from congruence.metrics.blas import one_blas_thread


@pytest.fixture(autouse=True)
def one_thread():
    with one_blas_thread():
        yield


def symmetric(n, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, n))
    return x, x @ x.T


def fortran(a):
    return np.array(a, order="F")


@pytest.mark.parametrize("n", [1, 5, 130])
def test_eigenvectors_are_scipys(n):
    _, a = symmetric(n)
    most = max(n // 3, 1)
    for found, exact in (
        (lapack.eigh(fortran(a)), linalg.eigh(a, driver="evd")),
        (lapack.eigh(fortran(a), most=most), linalg.eigh(a, subset_by_index=(n - most, n - 1))),
        (lapack.eigh(fortran(a), most=n), linalg.eigh(a)),
    ):
        np.testing.assert_allclose(found[0], exact[0], rtol=1e-12)
        assert np.abs(found[1]) == pytest.approx(np.abs(exact[1]), abs=1e-10)


def test_what_triangles_do_is_numpys():
    x, a = symmetric(40)
    a += np.eye(40)
    root = lapack.cholesky(fortran(a))
    assert root is not None
    assert root == pytest.approx(np.linalg.cholesky(a))
    assert lapack.inverse_of_triangle(root) == pytest.approx(np.linalg.inv(root))
    assert lapack.times_triangle(root, x) == pytest.approx(root @ x)
    assert lapack.times_triangle(root, x, inverse=True) == pytest.approx(np.linalg.solve(root, x))
    assert np.tril(lapack.between_factors(fortran(x @ x.T), root)) == pytest.approx(
        np.tril(root.T @ x @ x.T @ root)
    )
    assert lapack.times_vector(fortran(a), x[0]) == pytest.approx(a @ x[0])
    assert lapack.cholesky(fortran(-a)) is None


def test_what_has_no_answer_is_said():
    with pytest.raises(InputError, match="trtri found no answer"):
        lapack.inverse_of_triangle(fortran(np.zeros((3, 3))))


def test_others_run_meanwhile():
    """Longest time that a thread waits while another decomposes: with the lock held it would be all of it."""
    a, done = fortran(symmetric(700)[1]), threading.Event()

    def decompose():
        lapack.eigh(a, most=100)
        done.set()

    thread, longest = threading.Thread(target=decompose), 0.0
    started = last = time.perf_counter()
    thread.start()
    while not done.is_set():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    thread.join()
    assert longest < 0.6 * (last - started)
