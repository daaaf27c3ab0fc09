"""Calls from Python as careful as commands: what a public function can't take is one line of ours.

`guard` stands at the end of a public package. It costs nothing until a call from outside of the package
fails: then the arguments are held against the function's annotations, and the first that doesn't fit is
named. Calls from inside are left alone, so that a fault of ours stays what it is. So does what the caller's
own code raises, a missing argument, and what the machine refuses (memory, files).
"""

import inspect
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable
from functools import _lru_cache_wrapper, wraps
from types import FunctionType, TracebackType
from typing import Any, TypeVar, cast

from congruence.annotations import misfit, resolved, words
from congruence.errors import CongruenceError, InputError, quoted

F = TypeVar("F", bound=Callable[..., Any])

_OURS = "congruence"
_MISTAKES = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
)
"""What code raises on arguments that it wasn't written for."""
_CHECKERS = ("numba", "pydantic_core", "beartype", "jaxtyping")
"""Libraries whose errors say that arguments have wrong types, without being a TypeError."""
_LIBRARIES = tuple(os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))
_HERE = os.path.dirname(os.path.realpath(__file__))


def guard(namespace: dict[str, Any], names: Iterable[str] | None = None) -> None:
    """Make public functions, and constructors of public classes, careful.

    Args:
        namespace: ``globals()`` of the public package.
        names: of what is guarded; by default all of its ``__all__``.
    """
    for name in namespace["__all__"] if names is None else names:
        thing = namespace.get(name)
        if isinstance(thing, FunctionType | _lru_cache_wrapper) and not hasattr(thing, "__careful__"):
            namespace[name] = careful(cast(Any, thing), namespace["__name__"])
        elif isinstance(thing, type) and ("__init__" in vars(thing) or hasattr(thing, "model_validate")):
            made: Any = thing
            if isinstance(made.__init__, FunctionType) and not hasattr(made.__init__, "__careful__"):
                made.__init__ = careful(made.__init__)


def careful(function: F, home: str = "") -> F:
    """The function, with errors of ours where a call from outside of the package can't be taken.

    Args:
        function: to be called by people.
        home: module that it is to be found in, by its own name; "" where it stays where it is.
    """

    @wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        try:
            return function(*given, **named)
        except CongruenceError:
            raise
        except Exception as error:
            from_inside = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] == _OURS
            if from_inside or not _is_mistake(error) or _of_caller(error.__traceback__):
                raise
            told = _told(function, given, named, error)
            if told is None:
                raise
            raise InputError(told) from error

    of_cache = {
        name: getattr(function, name) for name in ("cache_clear", "cache_info") if hasattr(function, name)
    }
    vars(called).update(of_cache, __careful__=True)
    if home:
        called.__module__ = home
    return cast(F, called)


def _told(function: Any, given: Any, named: Any, error: Exception) -> str | None:
    """The line that says what doesn't fit; None where Python's own says so, as of a missing argument."""
    try:
        bound = inspect.signature(function).bind(*given, **named)
    except TypeError:
        return None
    made = function.__name__ == "__init__"
    name = type(given[0]).__name__ if made else function.__qualname__
    for argument, parameter in inspect.signature(function).parameters.items():
        if argument not in bound.arguments or parameter.kind is parameter.VAR_KEYWORD:
            continue
        kind = resolved(parameter.annotation, function)
        values = bound.arguments[argument]
        for value in values if parameter.kind is parameter.VAR_POSITIONAL else [values]:
            if misfit(value, kind):
                return f"{name}: {argument}={shown(value)}: use {words(kind)}"
    args = ", ".join(f"{key}={shown(v, 30)}" for key, v in list(bound.arguments.items())[:4] if key != "self")
    if (where := _of_section(error)) is not None:
        return f"{name}: {where}"
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return f"{name} can't be computed of {args or 'nothing'} ({reason}): see help({name})"


def _of_section(error: Exception) -> str | None:
    """What pydantic finds wrong first, in its own words: where, the value and why."""
    if type(error).__name__ != "ValidationError" or not hasattr(error, "errors"):
        return None
    first: dict[str, Any] = cast(Any, error).errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    told = first["msg"].removeprefix("Value error, ")
    return f"{where}={shown(first['input'])}: {told}" if where else told


def shown(value: Any, most: int = 60) -> str:
    """A value in a few words: an array by its shape."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None:
        return f"an array {tuple(map(int, shape))} of {dtype}"
    return quoted(value, most)


def _is_mistake(error: Exception) -> bool:
    return isinstance(error, _MISTAKES) or type(error).__module__.partition(".")[0] in _CHECKERS


def _of_caller(trace: TracebackType | None) -> bool:
    """Whether code raised it that is neither ours nor a library's: a function that was handed in."""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if os.path.isabs(file) and not os.path.realpath(file).startswith((_HERE, *_LIBRARIES)):
            return True
        trace = trace.tb_next
    return False
