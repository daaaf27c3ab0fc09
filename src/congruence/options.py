"""Options of measures, matchers, filters and nulls: annotated once, checked before anything runs.

An option's annotation says what it takes: a plain type, ``Literal`` choices, ``tuple[int, ...]``, unions,
and ``Annotated[int, at_least(1)]`` or ``Annotated[float, annotated_types.Gt(0)]`` for a range. Options of a
measure or a null are fields of a frozen dataclass, those of a matcher or a filter keyword-only parameters of
a function; what another package adds is checked in the same way.
"""

import ast
import difflib
import inspect
import math
import numbers
import re
import sys
import textwrap
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from congruence.errors import ConfigError, InputError, quoted, unknown_name


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


def whole(low: int, high: int) -> Rule:
    """Whole numbers from `low` to `high`."""
    return Rule(f"a whole number from {low:,} to {high:,}", lambda value: low <= value <= high)


SHARE = Rule("a share above 0 and up to 1, such as 0.99", lambda value: 0 < value <= 1)
SEED = Rule("a whole number from 0 to 2**63 - 1", lambda value: 0 <= value < 2**63)
REPEATS = whole(1, 10_000)
"""How often something may be repeated and averaged."""

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "none"}
_NUMBERS = {int: numbers.Integral, float: numbers.Real, bool: bool | np.bool_}
_BOUNDS = {
    "gt": "above",
    "ge": "of at least",
    "lt": "below",
    "le": "of at most",
}
_REFUSED = object()


def checked(name: str, value: Any, kind: Any) -> Any:
    """`value` as an option annotated `kind` holds it.

    Raises:
        InputError: it isn't one; the message says what to use, and names the nearest of a list of names.

    >>> checked("splits", np.int64(3), Annotated[int, at_least(1)])
    3
    """
    origin = get_origin(kind)
    if origin in {tuple, list, Sequence}:
        return _checked_sequence(name, value, kind)
    found = _fit(value, kind)
    if found is _REFUSED and origin is Literal:
        choice(name, value, get_args(kind))
    if found is _REFUSED:
        raise InputError(f"{name}={quoted(value)}: use {_words(kind)}")
    return found


def check_fields(record: Any) -> None:
    """Check every field of a frozen dataclass, and hold its value in the annotated type."""
    for name, kind in _kinds(type(record)).items():
        object.__setattr__(record, name, checked(name, getattr(record, name), kind))


def check_names(what: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Refuse an option that isn't known, naming the nearest one that is.

    Raises:
        ConfigError: in one line that begins with `what`.
    """
    known = list(known)
    for option in options:
        if option not in known:
            if not known:
                raise ConfigError(f"{what} takes no options: remove {quoted(option)}")
            raise ConfigError(f"{what}: {unknown_name('option', option, known)}")


def check_arguments(
    function: Callable[..., Any],
    options: Mapping[str, Any],
    what: str,
    *,
    besides: Mapping[str, Any] = types.MappingProxyType({}),
    but: Iterable[str] = (),
) -> dict[str, Any]:
    """Options as the keyword-only parameters of a function take them.

    Args:
        function: whose parameters and annotations say what is known; one without annotation takes anything.
        options: by name.
        what: begins the message, e.g. ``filter 'min_r'``.
        besides: further options and their annotations, which the function needn't have.
        but: parameters that aren't options.

    Raises:
        ConfigError: an option isn't known, a value is of another type or range, or one without default is
            missing.
    """
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    own = {option.name: option for option in parameters if option.kind is option.KEYWORD_ONLY}
    known = {**besides, **{name: option.annotation for name, option in own.items()}}
    known = {name: kind for name, kind in known.items() if name not in set(but)}
    if not any(option.kind is option.VAR_KEYWORD for option in parameters):
        check_names(what, options, known)
    held = dict(options)
    try:
        for name, value in options.items():
            if known.get(name, inspect.Parameter.empty) is not inspect.Parameter.empty:
                held[name] = checked(name, value, known[name])
    except InputError as error:
        raise ConfigError(f"{what}: {error}") from None
    for name in known:
        if name in own and own[name].default is own[name].empty and name not in options:
            raise ConfigError(f"{what} needs an option {name}: use {_words(known[name])}")
    return held


def choice(name: str, value: object, allowed: Sequence[Any]) -> None:
    """Refuse an option that isn't one of `allowed`, naming the nearest that is."""
    if not any(type(value) is type(one) and value == one for one in allowed):
        near = difflib.get_close_matches(str(value), [str(one) for one in allowed], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"{name}={quoted(value)} isn't known: {hint}use one of {', '.join(map(repr, allowed))}"
        )


@cache
def _kinds(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cls)}


def _checked_sequence(name: str, value: Any, kind: Any) -> tuple[Any, ...]:
    """Values, each of the kind inside; a tuple needs one at least, and one value stands for a tuple."""
    one = get_args(kind)[0]
    values = value if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value]
    if len(values) == 0 and get_origin(kind) is tuple:
        raise InputError(f"{name}=(): name at least one value ({_words(one)})")
    return tuple(checked(name, part, one) for part in values)


def _fit(value: Any, kind: Any) -> Any:
    """The value as `kind`, or _REFUSED."""
    origin = get_origin(kind)
    if origin is Annotated:
        base, *rules = get_args(kind)
        found = _fit(value, base)
        return found if found is not _REFUSED and all(_keeps(found, rule) for rule in rules) else _REFUSED
    if origin in {Union, UnionType}:
        arms = (_fit(value, arm) for arm in get_args(kind))
        return next((found for found in arms if found is not _REFUSED), _REFUSED)
    if origin is Literal:
        return value if any(type(value) is type(one) and value == one for one in get_args(kind)) else _REFUSED
    if kind is Any or kind is object:
        return value
    if origin is not None:
        return value if not isinstance(origin, type) or isinstance(value, origin) else _REFUSED
    return _fit_plain(value, kind)


def _keeps(value: Any, rule: Any) -> bool:
    """Whether a value keeps a `Rule` or the bounds of `annotated_types`; other metadata say nothing."""
    if isinstance(rule, Rule):
        return rule.keeps(value)
    bounds = {name: getattr(rule, name) for name in _BOUNDS if getattr(rule, name, None) is not None}
    holds = {
        "gt": lambda bound: value > bound,
        "ge": lambda bound: value >= bound,
        "lt": lambda bound: value < bound,
        "le": lambda bound: value <= bound,
    }
    return all(holds[name](bound) for name, bound in bounds.items())


def _fit_plain(value: Any, kind: Any) -> Any:
    if not isinstance(kind, type):
        return value
    if kind in {bool, int, float} and isinstance(value, bool | np.bool_) != (kind is bool):
        return _REFUSED
    if not isinstance(value, _NUMBERS.get(kind, kind)):
        return _REFUSED
    if kind is float and not _finite(value):
        return _REFUSED
    return kind(value) if kind in {bool, int, float, str} else value


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _words(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Annotated:
        base, *rules = get_args(kind)
        words = [rule.words for rule in rules if isinstance(rule, Rule)]
        bounds = [
            f"{text} {getattr(rule, name)}"
            for rule in rules
            for name, text in _BOUNDS.items()
            if not isinstance(rule, Rule) and getattr(rule, name, None) is not None
        ]
        return " and ".join(words) or " ".join([_words(base), " and ".join(bounds)]).strip()
    if origin is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if origin in {Union, UnionType}:
        return ", or ".join(_words(arm) for arm in get_args(kind))
    if origin in {tuple, list, Sequence}:
        return f"a list ({_words(get_args(kind)[0])})"
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def field_docs(cls: type) -> dict[str, str]:
    """The docstring under each field of a dataclass and its bases, by field; none where source isn't kept."""
    docs = attribute_docs(cls)
    return {field.name: docs.get(field.name, "") for field in fields(cls)}


def attribute_docs(cls: type) -> dict[str, str]:
    """The docstring under each annotated attribute of a class and its bases, such as a section's keys."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        docs |= _own_attribute_docs(base)
    return docs


def _statements(cls: type) -> Sequence[ast.stmt]:
    """What the body of a class says, of whose module no more is parsed: that would take most of an import."""
    text = inspect.getsource(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else ""
    own = re.search(rf"^class {cls.__qualname__}\b.*?(?=^[^\s#)\]}}]|\Z)", text, re.MULTILINE | re.DOTALL)
    try:
        found = ast.parse(own.group()).body[0] if own else None
    except SyntaxError:  # a line of a string starts where a statement would
        found = None
    if found is None:
        found = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    return found.body if isinstance(found, ast.ClassDef) else []


@cache
def _own_attribute_docs(cls: type) -> Mapping[str, str]:
    if not inspect.get_annotations(cls) or cls.__module__.partition(".")[0] in {"pydantic", "typing"}:
        return {}
    try:
        body = _statements(cls)
    except (OSError, TypeError, SyntaxError):
        return {}
    docs = {}
    for node, after in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr):
            docs[ast.unparse(node.target)] = inspect.cleandoc(ast.literal_eval(after.value))
    return docs
