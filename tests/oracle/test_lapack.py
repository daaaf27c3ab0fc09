"""LAPACK without the interpreter's lock against scipy's own functions, and that the lock is free."""

import threading
import time

import numpy as np
import pytest
from scipy import linalg

from congruence.errors import InputError
from congruence.metrics import lapack, leading
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


def of_spectrum(values):
    """A symmetric matrix with these eigenvalues, and its vectors."""
    n = len(values)
    vectors = np.linalg.qr(np.random.default_rng(3).normal(size=(n, n)))[0]
    a = (vectors * values) @ vectors.T
    return (a + a.T) / 2, vectors


def clustered(n, k, apart):
    """A flat spectrum with six eigenvalues close together, the k-th among them."""
    values = np.arange(1, n + 1.0) ** -0.5
    values[k - 3 : k + 3] = values[k] * (1 + apart * np.arange(3, -3, -1))
    return values


N, K = 300, 20
SPECTRA = {
    "noise": np.linalg.svd(np.random.default_rng(0).normal(size=(N, 500)), compute_uv=False) ** 2,
    "power law": np.arange(1, N + 1.0) ** -1,
    "cluster at the cut": clustered(N, K, 1e-5),
    "closer": clustered(N, K, 1e-9),
    "equal ones on top": np.r_[np.full(5, 9.0), np.arange(N - 5, 0, -1.0) / N],
    "far above the rest": np.r_[1.0, 0.5, 0.25, 1e-8 * np.linspace(2, 1, N - 3)],
    "as many as wanted": np.r_[np.arange(K, 0, -1.0), np.zeros(N - K)],
}
FALL_BACK = {"closer", "equal ones on top", "far above the rest"}


@pytest.mark.parametrize("name", SPECTRA)
def test_leading_vectors_from_float32_are_those_of_float64(name, monkeypatch):
    monkeypatch.setattr(leading, "LARGE", 2)
    a, vectors = of_spectrum(SPECTRA[name])
    values, found = leading.leading_eigenvectors(a, K)
    exact = lapack.eigh(fortran(a), most=K)[0]
    assert values == pytest.approx(exact, rel=1e-13, abs=1e-14 * exact[-1])
    assert found.T @ found == pytest.approx(np.eye(K), abs=1e-13)
    assert np.abs(a @ found - found * values).max() < 1e-11 * exact[-1]
    if name not in FALL_BACK:
        wanted = vectors[:, :K]
        assert np.linalg.norm(found - wanted @ (wanted.T @ found), 2) < 1e-9
        assert leading._refined(a, K) is not None


def test_nothing_comes_of_rows_that_float32_cannot_hold(monkeypatch):
    monkeypatch.setattr(leading, "LARGE", 2)
    for a in (np.zeros((N, N)), np.full((N, N), np.nan)):
        assert leading._refined(a, K) is None
    a = of_spectrum(SPECTRA["power law"])[0]
    monkeypatch.setattr(leading, "STEPS", 1)
    assert leading._refined(a, K) is None
    np.testing.assert_array_equal(leading.leading_eigenvectors(a, K)[1], lapack.eigh(fortran(a), most=K)[1])
