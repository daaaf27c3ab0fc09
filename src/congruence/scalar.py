"""`Scalar`: a record that is used as the one number it is about."""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np


class Scalar:
    """Arithmetic, comparison, rounding and formatting of ``float(self)``; the answer is a plain float.

    Two records are equal, and hash alike, where their numbers are equal. Beside an array it is an array's
    element. A class that derives from it defines ``__float__``.
    """

    def __float__(self) -> float:
        raise NotImplementedError

    def __bool__(self) -> bool:
        return bool(float(self))

    def __int__(self) -> int:
        return int(float(self))

    def __round__(self, digits: int | None = None) -> float | int:
        return round(float(self), digits)

    def __trunc__(self) -> int:
        return math.trunc(float(self))

    def __floor__(self) -> int:
        return math.floor(float(self))

    def __ceil__(self) -> int:
        return math.ceil(float(self))

    def __neg__(self) -> float:
        return -float(self)

    def __pos__(self) -> float:
        return float(self)

    def __abs__(self) -> float:
        return abs(float(self))

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(float(self), dtype=dtype)

    def as_integer_ratio(self) -> tuple[int, int]:
        """The number as a fraction, as `float.as_integer_ratio`; `statistics` and `fractions` use it."""
        return float(self).as_integer_ratio()

    def __hash__(self) -> int:
        return hash(float(self))

    def __eq__(self, other: object) -> Any:
        return _applied(operator.eq, self, other)

    def __ne__(self, other: object) -> Any:
        return _applied(operator.ne, self, other)

    def __lt__(self, other: Any) -> Any:
        return _applied(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return _applied(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return _applied(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return _applied(operator.ge, self, other)

    def __add__(self, other: Any) -> Any:
        return _applied(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _applied(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _applied(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _applied(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return _applied(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _applied(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _applied(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _applied(operator.truediv, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _applied(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _applied(operator.floordiv, other, self)

    def __mod__(self, other: Any) -> Any:
        return _applied(operator.mod, self, other)

    def __rmod__(self, other: Any) -> Any:
        return _applied(operator.mod, other, self)

    def __pow__(self, other: Any) -> Any:
        return _applied(operator.pow, self, other)

    def __rpow__(self, other: Any) -> Any:
        return _applied(operator.pow, other, self)


def _applied(of: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """The operator on plain numbers; what is no number, array or table has its own say."""
    left, right = (float(one) if isinstance(one, Scalar) else one for one in (left, right))
    other = right if isinstance(left, float) else left
    if isinstance(other, str | bytes | list | tuple | dict | set) or other is None:
        return NotImplemented
    return of(left, right)
