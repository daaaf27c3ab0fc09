"""What annotations say of a value that was given: whether it surely isn't that, and what to give instead."""

import inspect
import numbers
import sys
from collections.abc import Callable, Collection, Mapping
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
from numpy.typing import ArrayLike

_OURS = "congruence"
_MOST = 200
"""Items of a list that are looked at."""
_NUMBERS: dict[Any, Any] = {int: numbers.Integral, float: numbers.Real, bool: bool | np.bool_}
_WORDS: dict[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "none",
}  # fmt: skip
_NUMERIC = "an array of numbers"


def misfit(value: Any, kind: Any) -> bool:
    """Whether a value surely isn't what an annotation asks for; what can't be told fits.

    >>> misfit([1, "x"], list[int]), misfit(None, int | None), misfit(True, float)
    (True, False, True)
    """
    if kind is Any or kind is object or kind is inspect.Parameter.empty or isinstance(kind, TypeVar | str):
        return False
    return next(is_misfit(value, kind) for applies, is_misfit in _RULES if applies(kind))


def words(kind: Any) -> str:
    """What to use, by an annotation."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return words(inside[0])
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(words, _arms(inside))))
    if _is_shaped(kind):
        of = kind.__name__.partition("[")[0].lower()
        return f"an array ({', '.join(kind.dim_str.split())}) of {of}"
    name = getattr(origin or kind, "__name__", str(kind))
    if name == "Callable":
        return "a function"
    told = _WORDS.get(kind, name) if isinstance(kind, type) or kind is None else name
    return told + (f" of {', '.join(words(one) for one in inside if one is not Ellipsis)}" if inside else "")


def resolved(annotation: Any, function: Any) -> Any:
    """What an annotation that is text stands for; Any where that can't be told."""
    if not isinstance(annotation, str):
        return annotation
    known = inspect.unwrap(function).__globals__
    try:
        return eval(annotation, dict(known), _Names(known))
    except Exception:  # a type that is imported for the type checker alone
        return Any


def _is_shaped(kind: Any) -> bool:
    return hasattr(kind, "array_type") and hasattr(kind, "dim_str")


def _arms(arms: tuple[Any, ...]) -> list[Any]:
    """What a union is of, with what `ArrayLike` comes down to left out but for one."""
    if not {str(one) for one in arms} >= _OF_ARRAY_LIKE:
        return [*arms]
    return [*(one for one in arms if str(one) not in _OF_ARRAY_LIKE), _Numeric]


_OF_ARRAY_LIKE = {str(one) for one in get_args(ArrayLike)}
_Numeric = type(_NUMERIC, (), {})


def _not_of_union(value: Any, kind: Any) -> bool:
    return all(misfit(value, arm) for arm in _arms(get_args(kind)))


def _not_of_literal(value: Any, kind: Any) -> bool:
    return not any(type(value) is type(one) and value == one for one in get_args(kind))


def _no_number(value: Any, kind: Any) -> bool:
    return not isinstance(value, _NUMBERS[kind]) or isinstance(value, bool | np.bool_) != (kind is bool)


def _no_numbers(value: Any, kind: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind not in "biuf"
    except Exception:  # whatever an object raises that is asked to be an array
        return True


def _not_alike(value: Any, kind: Any) -> bool:
    """Whether a value lacks something that a protocol of ours asks for."""
    wanted = [name for name in {*vars(kind), *inspect.get_annotations(kind)} if not name.startswith("_")]
    return not all(hasattr(value, name) for name in wanted)


def _not_of_class(value: Any, kind: Any) -> bool:
    of = get_origin(kind) or kind
    try:
        return not isinstance(value, of) or _holds_misfits(value, of, get_args(kind))
    except TypeError:  # a protocol that can't be asked
        return False


def _holds_misfits(value: Any, of: Any, inside: tuple[Any, ...]) -> bool:
    if not inside or not isinstance(value, Collection):
        return False
    if isinstance(value, str | bytes):
        return of not in (str, bytes)
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST] if len(inside) == 2 else []
        return any(misfit(key, inside[0]) or misfit(one, inside[1]) for key, one in pairs)
    if of is tuple and inside[-1] is not Ellipsis:
        return len(value) != len(inside) or any(map(misfit, value, inside))
    return any(misfit(one, inside[0]) for one, _ in zip(value, range(_MOST), strict=False))


_RULES: tuple[tuple[Callable[[Any], bool], Callable[[Any, Any], bool]], ...] = (
    (lambda kind: get_origin(kind) is Annotated, lambda value, kind: misfit(value, get_args(kind)[0])),
    (lambda kind: get_origin(kind) in (Union, UnionType), _not_of_union),
    (lambda kind: get_origin(kind) is Literal, _not_of_literal),
    (lambda kind: kind is None or kind is NoneType, lambda value, _: value is not None),
    (lambda kind: kind is int or kind is float or kind is bool, _no_number),
    (lambda kind: kind is _Numeric, _no_numbers),
    (_is_shaped, lambda value, kind: not isinstance(value, kind)),
    (
        lambda kind: getattr(get_origin(kind) or kind, "__name__", "") == "Callable",
        lambda v, _: not callable(v),
    ),
    (lambda kind: not isinstance(get_origin(kind) or kind, type), lambda value, _: False),
    (lambda kind: getattr(kind, "_is_protocol", False) and kind.__module__.startswith(_OURS), _not_alike),
    (lambda _: True, _not_of_class),
)
"""Of which annotation -> whether a value surely isn't of it; the first that applies counts."""


class _Names(dict[str, Any]):
    """Names that an annotation means and its module imports for the type checker alone."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__()
        self.known = known

    def __missing__(self, name: str) -> Any:
        if name in self.known:
            raise KeyError(name)
        alias = {"np": "numpy", "pd": "pandas", "sparse": "scipy.sparse"}.get(name, name)
        if isinstance(module := sys.modules.get(alias), ModuleType):
            return module
        loaded = (
            vars(module) for label, module in list(sys.modules.items()) if label.startswith(f"{_OURS}.")
        )
        found = next((names[name] for names in loaded if isinstance(names.get(name), type)), None)
        if found is None:
            raise KeyError(name)
        return found


def _resolved(annotation: Any, function: Any) -> Any:
    """What an annotation that is text stands for; Any where that can't be told."""
    if not isinstance(annotation, str):
        return annotation
    known = inspect.unwrap(function).__globals__
    try:
        return eval(annotation, dict(known), _Names(known))
    except Exception:  # a type that is imported for the type checker alone
        return Any
