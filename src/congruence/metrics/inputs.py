"""The one place where what a caller passes becomes two paired float64 matrices, or a one-line error."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.aligned import aligned
from congruence.errors import InputError
from congruence.metrics.blas import blocks
from congruence.metrics.shared import SharedRows

MIN_ROWS = 3
ROUNDING = 1e-13
SAFE_MAGNITUDE = 1e60


class Pair(NamedTuple):
    """Two matrices whose rows are paired."""

    x: Float[np.ndarray, "n d_a"]
    y: Float[np.ndarray, "n d_b"]

    @property
    def n(self) -> int:
        return len(self.x)


def paired(x: ArrayLike, y: ArrayLike, *, min_rows: int = MIN_ROWS, unit_rows: bool = False) -> Pair:
    """Both sides as finite float64 matrices with equal rows and some variance.

    Args:
        x: (n, d_a) rows of side A: an array, nested list or torch tensor; or `shared` rows.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        min_rows: fewest pairs the measure can be computed from.
        unit_rows: divide every row by its norm first (decoder rows folded to unit norm).

    Raises:
        InputError: a side isn't a numeric matrix, holds NaN, doesn't vary, or the rows aren't paired.
    """
    pair = Pair(_matrix(x, "x"), _matrix(y, "y"))
    if len(pair.x) != len(pair.y):
        raise InputError(
            f"x has {len(pair.x)} rows and y has {len(pair.y)}: rows are pairs, so pass as many of each"
        )
    if pair.n < min_rows:
        raise InputError(f"x and y have {pair.n} rows: this measure needs at least {min_rows} pairs")
    if unit_rows:
        pair = Pair(to_unit_rows(pair.x, "x"), to_unit_rows(pair.y, "y"))
    for rows, given, name in zip(pair, (x, y), "xy", strict=True):
        if not isinstance(given, SharedRows) or unit_rows:
            _check_varies(rows, name)
    return pair


def shared(x: ArrayLike, y: ArrayLike) -> tuple[SharedRows, SharedRows]:
    """Both sides, checked once for all measures that are prepared from them.

    Raises:
        InputError: as `paired`.
    """
    pair = paired(x, y)
    return SharedRows(pair.x), SharedRows(pair.y)


def same_width(pair: Pair, measure: str) -> Pair:
    """The pair, if both sides have as many columns: a measure that compares rows of one space needs that."""
    if pair.x.shape[1] != pair.y.shape[1]:
        raise InputError(
            f"x has {pair.x.shape[1]} columns and y has {pair.y.shape[1]}: {measure} compares rows of one "
            f"space; use procrustes or translation_accuracy across models"
        )
    return pair


def _matrix(values: Any, name: str) -> Float[np.ndarray, "n d"]:
    if isinstance(values, SharedRows):
        return values.rows
    try:
        if hasattr(values, "detach"):
            values = values.detach().to("cpu").double()
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InputError(f"{name} isn't a numeric matrix ({error}): pass a dense (n, d) array") from None
    if np.ma.is_masked(values):
        raise InputError(f"{name} has masked values, which no measure can read: drop those pairs")
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{name} has shape {array.shape}: pass a matrix (n, d), one row a feature")
    rows = aligned(array.shape, np.float64)
    rows[...] = array
    _check_finite(rows, name)
    return _safe_scale(rows)


def _check_finite(array: Float[np.ndarray, "n d"], name: str) -> None:
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        raise InputError(
            f"{name} has NaN or infinite values in {len(bad)} rows (first: row {bad[0]}): drop those pairs"
        )


def _safe_scale(array: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Bring extreme magnitudes near 1, so that squares stay finite and above 0; no measure sees scale."""
    largest = _largest(array)
    if largest == 0 or 1 / SAFE_MAGNITUDE < largest < SAFE_MAGNITUDE:
        return array
    return array / largest


def _largest(array: Float[np.ndarray, "n d"]) -> float:
    return max(float(array.max()), -float(array.min()))


def _check_varies(array: Float[np.ndarray, "n d"], name: str) -> None:
    spread = float(np.ptp(array, axis=0).max())
    if spread <= ROUNDING * _largest(array):
        raise InputError(
            f"{name} has zero variance (rank 0: all {len(array)} rows are equal): pass rows that differ"
        )


def to_unit_rows(
    rows: Float[np.ndarray, "n d"], name: str, *, center: bool = False
) -> Float[np.ndarray, "n d"]:
    """Each row over its norm, after taking its own mean off where `center`.

    Raises:
        InputError: a row has no direction: it is zero, or constant where `center`.
    """
    moved = rows - rows.mean(axis=1, keepdims=True) if center else rows
    norms = _norms(moved)
    flat = np.flatnonzero(norms <= ROUNDING * (_norms(rows) if center else norms))
    if len(flat):
        raise InputError(
            f"{name} has {len(flat)} {'constant' if center else 'zero'} rows (first: row {flat[0]}), which "
            f"have no direction to compare: drop those pairs, or use distances (rdm='euclidean')"
        )
    return np.divide(moved, norms[:, None], out=moved if center else None)


def _norms(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Of each row; a block at a time, so that squares stay in cache."""
    return np.concatenate([np.linalg.norm(rows[part], axis=1) for part in blocks(len(rows))])


def whole_number(name: str, value: Any, *, low: int, high: int | None = None, remedy: str = "") -> int:
    """`value` as an int within [low, high]."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise InputError(
            f"{name}={value!r}: use a whole number {bounds}" + (f" ({remedy})" if remedy else "")
        )
    return int(value)
