"""Rows that several measures are prepared from: checked once, and their products made once for all."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float

from congruence.metrics.blas import gram

ROWS = 4096
"""Up to so many rows the products of all of them are made: 8 n² bytes a side, 134 MB at most."""


class SharedRows:
    """One side's rows, with what measures make of them; each thing is made when it is first asked for.

    It stands for the array where `inputs.paired` is given it, and turns into the array anywhere else. No
    number depends on who asks first: what is made here is made the same way for one measure alone.

    Attributes:
        rows: (n, d) float64, finite and not all equal, as `paired` leaves them.
    """

    def __init__(self, rows: Float[np.ndarray, "n d"]) -> None:
        self.rows = rows
        self._made: dict[str, Any] = {}
        self._locks = {
            "products": Lock(),
            "centred": Lock(),
            "of columns": Lock(),
            "of centred columns": Lock(),
        }

    @classmethod
    def of(cls, given: Any, rows: Float[np.ndarray, "n d"]) -> "SharedRows":
        """What was given, if the rows are its own; else these rows, shared with nobody."""
        return given if isinstance(given, cls) and given.rows is rows else cls(rows)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.shape

    def __len__(self) -> int:
        return len(self.rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.rows, dtype=dtype, copy=copy)

    def products(self) -> Float[np.ndarray, "n n"]:
        """Inner products of all rows."""
        return self._once("products", lambda: gram(self.rows))

    def centred(self) -> Float[np.ndarray, "n d"]:
        """Columns minus their means."""
        return self._once("centred", lambda: self.rows - self.rows.mean(axis=0))

    def products_of_columns(self, *, center: bool) -> Float[np.ndarray, "d d"]:
        """Inner products of all columns, centred or not."""
        if center:
            return self._once("of centred columns", lambda: gram(self.centred().T))
        return self._once("of columns", lambda: gram(self.rows.T))

    def _once(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        with self._locks[name]:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]
