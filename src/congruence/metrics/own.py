"""A user's own measure: a plain function ``f(x, y) -> float`` from Python, or by name from a file."""

import hashlib
import inspect
import math
import numbers
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import ConfigError, InputError, quoted, unknown_name
from congruence.metrics.base import METRICS, Laws, Measure
from congruence.metrics.inputs import paired
from congruence.options import check_arguments
from congruence.records import Score
from congruence.storage import content_key
from congruence.strict_files import read_text

RESOLUTION = 1e-12
TRIED_PAIRS = 64
"""Pairs of random rows that a function is tried on before anything is captured."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FunctionMeasure(Measure):
    """Any function ``f(x, y, **options)`` as a measure: every draw of a null calls it again.

    Attributes:
        function: of two read-only float64 matrices (n, d_a) and (n, d_b), row i paired with row i; its value
            converts to float, or is a `Score`.
        chosen: its options.
        name: in results.
        source: key of the code behind it; "" where nothing is stored under it.
    """

    laws: ClassVar[Laws] = Laws(
        symmetric=False, translation=False, scale=False, orthogonal=False, row_order=False, self_is_one=False
    )
    list_resolution: ClassVar[float] = RESOLUTION

    function: Callable[..., Any]  # pyright: ignore[reportIncompatibleVariableOverride]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    name: str = "callable"  # pyright: ignore[reportIncompatibleVariableOverride]
    source: str = ""

    def __post_init__(self) -> None:
        """The options have been checked against the function's own signature."""

    @property
    def options(self) -> dict[str, Any]:
        """The options that were chosen."""
        return dict(self.chosen)

    @property
    def key(self) -> str:
        """What stored scores stand under: the label, and the code that gave them."""
        return f"{self.label} {self.source}".rstrip()

    def prepare(self, x: ArrayLike, y: ArrayLike) -> "PreparedFunction":
        """Both sides as paired float64 matrices that can't be written to."""
        pair = paired(x, y)
        for rows in pair:
            rows.flags.writeable = False
        return PreparedFunction(self, *pair)

    def check_reach(self, most_pairs: int, width_a: int, width_b: int) -> None:
        """Try the function on random rows of these widths, twice: it has to give one number, the same again.

        Raises:
            InputError: it fails, gives something else than a number, or isn't repeatable.
        """
        rng = np.random.default_rng(0)
        n = max(3, min(TRIED_PAIRS, most_pairs))
        tried = self.prepare(rng.normal(size=(n, width_a)), rng.normal(size=(n, width_b)))
        first, again = (float(tried.observed()) for _ in range(2))
        if not (first == again or (math.isnan(first) and math.isnan(again))):
            raise InputError(
                f"it gives {first:.6g} and then {again:.6g} for the same rows, so no test of it could be "
                "repeated: seed what is random in it"
            )


@dataclass(frozen=True, eq=False)
class PreparedFunction:
    """Two matrices that a function scores."""

    measure: FunctionMeasure
    x: Float[np.ndarray, "n d_a"]
    y: Float[np.ndarray, "n d_b"]
    resolution: float = RESOLUTION

    @property
    def n(self) -> int:
        return len(self.x)

    def observed(self) -> Score:
        """What the function gives, as a record."""
        value = self._call(self.y)
        return value if isinstance(value, Score) else Score(self.measure.name, value, self.n)

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The function on each re-pairing."""
        return np.array([float(self._call(self.y[p])) for p in permutations])

    def _call(self, y: np.ndarray) -> Score | float:
        """One number.

        Raises:
            InputError: the function fails or gives something else.
        """
        sizes = f"for rows of {self.x.shape} and {y.shape}"
        try:
            value = self.measure.function(self.x, y, **self.measure.chosen)
        except InputError:
            raise
        except Exception as error:  # whatever goes wrong inside is the user's
            raise InputError(
                f"{self.measure.name} fails {sizes}{_where(error)}: {_told(error)}: mend the function"
            ) from error
        if isinstance(value, Score):
            return value
        number = value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
        plain = isinstance(number, numbers.Real) or (
            hasattr(type(value), "__float__") and not hasattr(value, "shape")
        )
        if isinstance(number, bool | np.bool_) or not plain:
            shape = f" of shape {tuple(value.shape)}" if getattr(value, "shape", ()) else ""
            raise InputError(
                f"{self.measure.name} gives {quoted(value, 40)} (a {type(value).__name__}{shape}) {sizes}: "
                "return one number"
            )
        return float(number)


def own_measure(function: Any, options: Mapping[str, Any] | None = None) -> Measure:
    """A user's function as a measure of a run.

    Args:
        function: ``f(x, y, *, options) -> float``; a measure that is on the table counts as that.
        options: values of its keyword-only parameters.

    Raises:
        ConfigError: it isn't a function of two arrays, has no name of its own, or can't take an option.
    """
    name = str(getattr(function, "name", getattr(function, "__name__", "")))
    if name in METRICS and function in (METRICS.get(name), METRICS.get(name).function):
        return METRICS.get(name).bind(**(options or {}))
    if not callable(function) or not name.isidentifier():
        raise ConfigError(
            f"measure {quoted(function)} has no name for the results: write it as def my_measure(x, y): …"
        )
    return _bound(function, name, options or {}, _source_key(function))


def measure_in_file(path: Path, name: str, options: Mapping[str, Any]) -> FunctionMeasure:
    """A function of a Python file as a measure; the file is executed, once for each content.

    Args:
        path: the file.
        name: of the function in it.
        options: values of its keyword-only parameters.

    Raises:
        ConfigError: the file is missing or fails, or the function isn't there or can't take an option.
    """
    what = f"file of measure {name!r}, {quoted(str(path), 200)},"
    text = read_text(path, what, ConfigError, remedy="give the path of a Python file")
    found = _executed(str(path.resolve()), text)
    if not callable(found.get(name)):
        there = [key for key, one in found.items() if isinstance(one, FunctionType)]
        raise ConfigError(f"{quoted(str(path), 200)} has {unknown_name('function', name, there)}")
    key = content_key([text, name])
    return _bound(found[name], name, options, key)


def _bound(function: Any, name: str, options: Mapping[str, Any], key: str) -> FunctionMeasure:
    if name in METRICS:
        raise ConfigError(
            f"measure {name!r} of your own has the name of one that congruence has: rename the function"
        )
    what = f"measure {name!r}"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise ConfigError(f"{what} can't be looked into: wrap it in def {name}(x, y): …") from None
    chosen = check_arguments(function, options, what)
    try:
        signature.bind(None, None, **chosen)
    except TypeError as error:
        raise ConfigError(
            f"{what} is {name}{signature}, and measures are called with two arrays ({error}): write "
            f"{name}(x, y), options after a *"
        ) from None
    source = content_key([key, sorted(chosen.items())])
    return FunctionMeasure(function=function, chosen=chosen, name=name, source=source)


@cache
def _executed(path: str, text: str) -> dict[str, Any]:
    """The names that a Python file defines."""
    module = ModuleType(f"congruence_measure_{content_key([path, text])}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # dataclasses and pickle look there
    try:
        exec(compile(text, path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        place = f", line {error.lineno}" if isinstance(error, SyntaxError) else _where(error)
        raise ConfigError(
            f"{quoted(path, 200)}{place} can't be executed: {_told(error)}: mend the file"
        ) from None
    return module.__dict__


def _told(error: BaseException) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {message}".split())[:300].rstrip(": ")


def _where(error: BaseException) -> str:
    """The line of the user's code that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames[1:2]]
    return f", line {lines[0]}" if lines else ""


def _source_key(function: Any) -> str:
    """A key of a function's code, of what it closes over, and of the functions and values it names."""
    digest = hashlib.blake2b(digest_size=8)
    for part in _parts(function, set()):
        digest.update(part.encode("utf-8", "backslashreplace") + b"\0")
    return digest.hexdigest()


def _parts(function: Any, seen: set[int]) -> Iterator[str]:
    if not isinstance(function, FunctionType):
        state = getattr(function, "__dict__", {})
        yield f"{type(function).__module__}.{type(function).__qualname__}"
        for name, value in sorted(state.items()):
            yield from _value(name, value, seen)
        call = vars(type(function)).get("__call__")
        if isinstance(call, FunctionType):
            yield from _parts(call, seen)
        return
    if id(function) in seen:
        return
    seen.add(id(function))
    yield from _of_code(function.__code__)
    yield from _value("defaults", [function.__defaults__, function.__kwdefaults__], seen)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield from _value(name, cell.cell_contents, seen)
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield from _value(name, function.__globals__[name], seen)


def _of_code(code: CodeType) -> Iterator[str]:
    """What a function does, without where it stands."""
    yield code.co_code.hex()
    yield repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        else:
            yield repr(constant if not isinstance(constant, frozenset) else sorted(map(repr, constant)))


def _names(code: CodeType) -> set[str]:
    """Every global name that a function or one inside it reads."""
    inner = (_names(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def _value(name: str, value: Any, seen: set[int]) -> Iterator[str]:
    """A value that a function uses: by content where it is plain or an array, else by its name."""
    yield name
    if isinstance(value, ModuleType):
        yield value.__name__
    elif isinstance(value, FunctionType):
        if "site-packages" in value.__code__.co_filename:
            yield f"{value.__module__}.{value.__qualname__}"
        else:
            yield from _parts(value, seen)
    elif isinstance(value, type):
        yield f"{value.__module__}.{value.__qualname__}"
    else:
        try:
            yield content_key(value)
        except (TypeError, ValueError):
            yield _pickled(value)


def _pickled(value: Any) -> str:
    try:
        return hashlib.blake2b(pickle.dumps(value, 4), digest_size=8).hexdigest()
    except Exception:  # pickling runs the object's own code
        return f"{type(value).__module__}.{type(value).__qualname__}"
