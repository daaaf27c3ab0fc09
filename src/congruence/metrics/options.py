"""Options of a measure: fields of a frozen dataclass, checked by their annotations before anything runs."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from congruence.errors import InputError
from congruence.metrics.inputs import choice


@dataclass(frozen=True)
class Rule:
    """What a number has to keep besides its type, to stand in `Annotated[int, Rule(...)]`.

    Attributes:
        words: what to use instead of a refused value, after "use ".
        keeps: whether a value of the right type may be used.
    """

    words: str
    keeps: Callable[[Any], bool]


def at_least(low: int) -> Rule:
    """Whole numbers from `low` on."""
    return Rule(f"a whole number of at least {low}", lambda value: value >= low)


SHARE = Rule("a share above 0 and up to 1, such as 0.99", lambda value: 0 < value <= 1)

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string", NoneType: "none"}
_REFUSED = object()


def checked(name: str, value: Any, kind: Any) -> Any:
    """`value` as an option annotated `kind` holds it.

    Raises:
        InputError: it isn't one; the message says what to use, and names the nearest of a list of names.

    >>> checked("splits", np.int64(3), Annotated[int, at_least(1)])
    3
    """
    if get_origin(kind) is tuple:
        return _checked_sequence(name, value, get_args(kind)[0])
    found = _fit(value, kind)
    if found is _REFUSED and get_origin(kind) is Literal:
        choice(name, value, get_args(kind))
    if found is _REFUSED:
        raise InputError(f"{name}={value!r}: use {_words(kind)}")
    return found


def check_fields(record: Any) -> None:
    """Check every field of a frozen dataclass, and hold its value in the annotated type."""
    for name, kind in _kinds(type(record)).items():
        object.__setattr__(record, name, checked(name, getattr(record, name), kind))


@cache
def _kinds(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cls)}


def _checked_sequence(name: str, value: Any, kind: Any) -> tuple[Any, ...]:
    values = value if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value]
    if len(values) == 0:
        raise InputError(f"{name}=(): name at least one value ({_words(kind)})")
    return tuple(checked(name, part, kind) for part in values)


def _fit(value: Any, kind: Any) -> Any:
    """The value as `kind`, or _REFUSED."""
    origin = get_origin(kind)
    if origin is Annotated:
        base, rule = get_args(kind)
        found = _fit(value, base)
        return found if found is not _REFUSED and rule.keeps(found) else _REFUSED
    if origin in {Union, UnionType}:
        return next(
            (found for arm in get_args(kind) if (found := _fit(value, arm)) is not _REFUSED), _REFUSED
        )
    if origin is Literal:
        return value if any(type(value) is type(one) and value == one for one in get_args(kind)) else _REFUSED
    return _fit_plain(value, kind)


def _fit_plain(value: Any, kind: type) -> Any:
    if kind in {bool, int, float} and isinstance(value, bool | np.bool_) != (kind is bool):
        return _REFUSED
    takes = {int: int | np.integer, float: int | float | np.number, bool: bool | np.bool_}.get(kind, kind)
    if not isinstance(value, takes):
        return _REFUSED
    return value if kind is NoneType else kind(value)


def _words(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Annotated:
        return get_args(kind)[1].words
    if origin is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if origin in {Union, UnionType}:
        return ", or ".join(_words(arm) for arm in get_args(kind))
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def field_docs(cls: type) -> dict[str, str]:
    """The docstring under each field of a dataclass and its bases, by field; none where source isn't kept."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        docs |= _own_field_docs(base)
    return {field.name: docs.get(field.name, "") for field in fields(cls)}


def _own_field_docs(cls: type) -> dict[str, str]:
    if not any(name in inspect.get_annotations(cls) for name in _kinds(cls)):
        return {}
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    docs = {}
    for node, after in pairwise(getattr(body, "body", [])):
        if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr):
            docs[ast.unparse(node.target)] = inspect.cleandoc(ast.literal_eval(after.value))
    return docs
