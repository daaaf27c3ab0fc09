"""Numbers as JSON has them: what isn't defined is null, and no more digits than anybody reads."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

DIGITS = 6
_WHOLE = (bool, np.bool_, int, np.integer)


def number(value: Any) -> float | int | None:
    """A number with six digits; None where it isn't finite.

    >>> number(np.float64("nan")), number(0.1234567), number(np.int64(12))
    (None, 0.123457, 12)
    """
    if type(value) is not float:
        if isinstance(value, _WHOLE):
            return int(value)
        value = float(value)
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def numbers(values: Iterable[Any]) -> list[float | int | None]:
    """Every one of a column."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return [float(f"{v:.{DIGITS}g}") if math.isfinite(v) else None for v in values.tolist()]
    return [number(value) for value in values]


def by_row(values: np.ndarray) -> list[list[float | int | None]]:
    """The same for (rows, columns) float64, row by row."""
    flat, wide = numbers(values.ravel()), values.shape[1]
    return [flat[start : start + wide] for start in range(0, len(flat), wide)]


def rounded(values: np.ndarray) -> list[float]:
    """Activations, which are finite, with three digits after the point."""
    return np.asarray(values, dtype=np.float64).round(3).tolist()


def texts(values: Any) -> list[str]:
    """A column of text as a list; half a surrogate pair, which no file holds, is replaced."""
    return [str(value).encode("utf-8", "replace").decode() for value in values]


def count(value: Any) -> int | None:
    """A count; None for -1, which stands for not known."""
    return None if value is None or value < 0 else int(value)


def histogram(values: np.ndarray, edges: np.ndarray) -> dict[str, list[Any]]:
    """Counts between edges."""
    return {"edges": numbers(edges), "counts": counted(values, edges)}


def counted(values: np.ndarray, edges: np.ndarray) -> list[int]:
    """How many finite values lie between ascending edges; the last one is among them.

    What `numpy.histogram` counts; that takes longer to look at its arguments than at a few hundred values.
    """
    ordered = np.sort(values)
    below = ordered.searchsorted(edges)
    below[-1] = ordered.searchsorted(edges[-1], "right")
    return np.diff(below).tolist()


def edges_of(values: np.ndarray, bins: int) -> np.ndarray:
    """Equal bins over the finite values; a single value gets some room."""
    low, high = float(values.min()), float(values.max())
    room = 0 if high > low else max(abs(low), 1) / 100
    return np.linspace(low - room, high + room, bins + 1)
