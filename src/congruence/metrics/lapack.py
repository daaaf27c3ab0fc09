"""LAPACK and BLAS as scipy brings them, called without holding the interpreter.

scipy's own functions hold the interpreter's lock while they run, so an eigenproblem of one measure stops all
that is prepared beside it, except what is inside a compiled loop already. The same routines can be had as
pointers (`scipy.linalg.cython_lapack`), and a call of a pointer lets go of the lock. Numbers are the same
bits.

Matrices are (n, n) in Fortran's order, of float64 or float32; `lower` triangles are read throughout.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

import numba.extending
import numpy as np
from jaxtyping import Float

from congruence.errors import InputError

Lower = Float[np.ndarray, "n n"]
_PREFIX = {np.dtype(np.float64): "d", np.dtype(np.float32): "s"}


def eigh(a: Lower, *, most: int | None = None) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "n k"]]:
    """Eigenvalues, rising, and eigenvectors of a symmetric matrix, which is used up.

    Args:
        a: the matrix.
        most: how many of the largest are wanted; None for all, by divide and conquer.
    """
    n, kind = len(a), a.dtype
    if most is None:
        w = np.empty(n, kind)
        _with_work("syevd", kind, "V", "L", n, a, n, w, sizes=2)
        return w, a
    w, z, support = np.empty(n, kind), np.empty((n, most), kind, order="F"), np.empty(2 * most, np.int32)
    found, unused = ctypes.c_int(), kind.type(0)
    bounds = unused, unused, n - most + 1, n, kind.type(0)
    _with_work("syevr", kind, "V", "I", "L", n, a, n, *bounds, found, w, z, n, support, sizes=2)
    return w[:most], z


def cholesky(a: Lower) -> Lower | None:
    """The lower triangular factor, in place of the matrix, zeros above it; None where there is none."""
    if _call("potrf", a.dtype, "L", len(a), a, len(a), may_fail=True):
        return None
    return _zero_above(a)


def inverse_of_triangle(root: Lower) -> Lower:
    """Inverse of a lower triangular matrix without zeros on its diagonal."""
    out = np.array(root, order="F")
    _call("trtri", out.dtype, "L", "N", len(out), out, len(out))
    return out


def between_factors(a: Lower, root: Lower) -> Lower:
    """The lower triangle of lᵀ a l, l lower triangular, in place of that of a."""
    _call("sygst", a.dtype, 2, "L", len(a), a, len(a), root, len(root))
    return a


def times_triangle(
    root: Lower, b: Float[np.ndarray, "n m"], *, inverse: bool = False
) -> Float[np.ndarray, "n m"]:
    """l b, or l⁻¹ b, with l lower triangular."""
    out = np.array(b, order="F")
    sizes, name = out.shape, "trsm" if inverse else "trmm"
    scale = root.dtype.type(1)
    _call(name, root.dtype, "L", "L", "N", "N", *sizes, scale, root, len(root), out, sizes[0], blas=True)
    return out


def times_vector(a: Lower, v: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """a v of a symmetric matrix: half of it is read."""
    out, kind = np.empty(len(a), a.dtype), a.dtype.type
    v = np.ascontiguousarray(v)
    _call("symv", a.dtype, "L", len(a), kind(1), a, len(a), v, 1, kind(0), out, 1, blas=True)
    return out


class Reflections(NamedTuple):
    """An orthogonal matrix as LAPACK leaves it below a diagonal."""

    below: Lower
    factors: Float[np.ndarray, " n"]


def tridiagonal(a: Lower) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], Reflections]:
    """T = Qᵀ a Q with three diagonals: the middle one, the one beside it (with a 0 at its end), and Q."""
    n, kind = len(a), a.dtype
    diagonal, beside, factors = np.empty(n, kind), np.zeros(n, kind), np.empty(n, kind)
    _with_work("sytrd", kind, "L", n, a, n, diagonal, beside, factors, sizes=1)
    return diagonal, beside, Reflections(a, factors)


def turn(q: Reflections, x: Float[np.ndarray, "n m"], *, back: bool = False) -> Float[np.ndarray, "n m"]:
    """Q x, or Qᵀ x, in the numbers that Q is held in."""
    out, n = np.array(x, q.below.dtype, order="F"), len(x)
    side = "L", "L", "T" if back else "N"
    _with_work("ormtr", out.dtype, *side, n, out.shape[1], q.below, n, q.factors, out, n, sizes=1)
    return out


def eigh_tridiagonal(
    diagonal: Float[np.ndarray, " n"], beside: Float[np.ndarray, " n"], most: int
) -> Float[np.ndarray, "n k"] | None:
    """Eigenvectors of the largest eigenvalues, these rising; None where not so many are found."""
    n, kind = len(diagonal), diagonal.dtype
    w, z, support = np.empty(n, kind), np.empty((n, most), kind, order="F"), np.empty(2 * most, np.int32)
    found, exactly, unused = ctypes.c_int(), 1, kind.type(0)
    given = diagonal.copy(), beside.copy(), unused, unused, n - most + 1, n, found
    _with_work("stemr", kind, "V", "I", n, *given, w, z, n, most, support, exactly, sizes=2)
    return z if found.value == most else None


def solve_tridiagonal(
    diagonal: Float[np.ndarray, " n"], beside: Float[np.ndarray, " n"], right: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """t⁻¹ right of a symmetric matrix of three diagonals, given as `tridiagonal` gives them."""
    out = np.array(right)
    _call("gtsv", out.dtype, len(out), 1, beside.copy(), diagonal.copy(), beside.copy(), out, len(out))
    return out


def _zero_above(a: Lower) -> Lower:
    for k in range(1, len(a)):
        a[:k, k] = 0
    return a


def _with_work(name: str, kind: np.dtype, *arguments: Any, sizes: Literal[1, 2]) -> None:
    """Call a routine with as much room to work in as it likes: of numbers, and with sizes=2 of integers."""
    room, whole = np.empty(1, kind), np.empty(1, np.int32)
    asked = [room, -1, whole, -1] if sizes == 2 else [room, -1]
    _call(name, kind, *arguments, *asked)
    room = np.empty(int(room[0]), kind)
    if sizes == 2:
        whole = np.empty(int(whole[0]), np.int32)
        _call(name, kind, *arguments, room, len(room), whole, len(whole))
    else:
        _call(name, kind, *arguments, room, len(room))


def _call(name: str, kind: np.dtype, *arguments: Any, blas: bool = False, may_fail: bool = False) -> int:
    """Call a routine by its name without the letter for its kind of numbers; what it says of failing.

    Raises:
        InputError: it failed, unless `may_fail`.
    """
    failed = ctypes.c_int()
    given = [_referred(one) for one in arguments]
    if not blas:
        given.append(failed)
    function = _routine("blas" if blas else "lapack", _PREFIX[kind] + name, len(given))
    function(*(one.ctypes.data if isinstance(one, np.ndarray) else ctypes.addressof(one) for one in given))
    if failed.value and not may_fail:
        raise InputError(f"LAPACK's {name} found no answer ({failed.value}): rows hold numbers too far apart")
    return failed.value


def _referred(value: Any) -> Any:
    """Arrays as they are; numbers and letters as something that has an address."""
    if isinstance(value, str):
        return ctypes.c_char(value.encode())
    if isinstance(value, np.generic):
        return np.array([value])
    return ctypes.c_int(value) if isinstance(value, int) else value


@cache
def _routine(library: str, name: str, count: int) -> Callable[..., None]:
    """A routine that takes so many addresses; a call of it lets other threads have the interpreter."""
    address = numba.extending.get_cython_function_address(f"scipy.linalg.cython_{library}", name)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count)(address)
