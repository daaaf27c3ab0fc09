"""What a measure is: options as fields, laws and words as attributes, prepared once and scored often."""

import ast
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import wraps
from typing import Any, ClassVar, Protocol, TypeVar, dataclass_transform, get_type_hints, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from congruence.errors import ConfigError, InputError
from congruence.metrics.blas import one_blas_thread
from congruence.options import check_fields, check_names, field_docs
from congruence.records import PairLists, Score
from congruence.registry import Registry
from congruence.storage import available_bytes
from congruence.threads import spread
from congruence.wording import format_score, percent


@dataclass(frozen=True)
class Laws:
    """What a measure does and doesn't depend on; the law tests hold every measure to its own.

    Attributes:
        symmetric: swapping x and y leaves the value.
        translation: adding one vector to all rows of a side leaves it.
        scale: multiplying a side by a positive number leaves it.
        orthogonal: rotating or reflecting the axes of a side leaves it.
        linear: any invertible linear map of a side's axes leaves it.
        row_order: reordering the rows of both sides alike leaves it (a random split depends on it).
        self_is_one: a side compared with itself gives 1.
        pairing: the value depends on which row is paired with which, so a re-pairing null means something.
        same_width: both sides need as many columns, with the same meaning.
    """

    symmetric: bool = True
    translation: bool = True
    scale: bool = True
    orthogonal: bool = True
    linear: bool = False
    row_order: bool = True
    self_is_one: bool = True
    pairing: bool = True
    same_width: bool = False


@runtime_checkable
class Prepared(Protocol):
    """One pair of matrices, decomposed once, that can be scored under any re-pairing of its rows.

    A prepared measure may have an attribute `answerable`: False where the numbers of pairs and dimensions
    decide the score, or nearly so, whatever the data; the observed score's `warnings` say why.

    Attributes:
        n: number of paired rows.
        resolution: two scores nearer than this are a tie (the rounding of the draws).
    """

    @property
    def n(self) -> int: ...

    @property
    def resolution(self) -> float: ...

    def observed(self) -> Score:
        """The score of the rows as they are paired."""
        ...

    def repaired(self, permutations: Int[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """The score with row i of x paired with row ``permutations[d, i]`` of y, for each draw d."""
        ...


def is_answerable(prepared: Prepared) -> bool:
    """Whether draws can tell anything: False where n and the ranks decide the score by themselves."""
    return bool(getattr(prepared, "answerable", True))


@dataclass(frozen=True)
class Measure:
    """A measure with its options, which are the fields of its class, each with a docstring below it.

    A new measure is one class: `name`, `title`, `range`, `laws` and the words, the options, and `prepare`,
    under the decorator `metric`.

    Attributes:
        name: public name, that of the function in `congruence.metrics` and in results.
        title: name in running text.
        range: smallest and largest value (infinite where there is no bound).
        laws: what the value doesn't depend on, at the default options.
        reading: what the measure asks of the two sides, in words for a reader who hasn't met it.
        beware: when not to believe it.
        says: a score in words, to stand after "…: ", with {score} or {percent} where the number goes.
        reads: what of a cell the measure is computed from.
        sides: what x and y are, for the function's docstring.
        list_resolution: two scores of `of_lists` nearer than this are a tie.
        shares_rows: `prepare` also takes `inputs.shared` rows, whose products measures have in common.
        function: ``function(x, y, **options) -> Score``, made by `metric`.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    laws: ClassVar[Laws] = Laws()
    reading: ClassVar[str] = ""
    beware: ClassVar[str] = ""
    says: ClassVar[str] = "the score is {score}"
    reads: ClassVar[str] = "decoder_rows"
    sides: ClassVar[tuple[str, str]] = (
        "(n, d_a) rows of side A.",
        "(n, d_b) rows of side B, row i paired with row i of x.",
    )
    list_resolution: ClassVar[float] = 1e-9
    shares_rows: ClassVar[bool] = False
    function: ClassVar[Callable[..., Score]]

    def __post_init__(self) -> None:
        check_fields(self)
        self.check()

    def check(self) -> None:
        """Refuse options that contradict each other; each by itself has been checked by its type."""

    def check_reach(self, most_pairs: int, width_a: int, width_b: int) -> None:
        """Refuse what no data of these sizes can be scored by, before any are at hand.

        Args:
            most_pairs: pairs that there can be.
            width_a, width_b: dimensions of the rows.

        Raises:
            InputError: in the words of `prepare`.
        """
        if self.laws.same_width and width_a != width_b:
            raise InputError(
                f"rows of a have {width_a} dimensions and those of b {width_b}, and it compares rows of one "
                "space: use procrustes or translation_accuracy across models"
            )

    def prepare(self, x: ArrayLike, y: ArrayLike) -> Prepared:
        """Decompose both sides once, for the observed score and any number of re-pairings."""
        raise NotImplementedError(f"{type(self).__name__} has no prepare(x, y): a measure needs one")

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """Bytes that preparing n pairs of rows of these widths takes at most, about, the rows not counted.

        A measure that holds more than a few copies of the rows says so here: `prepare` then refuses what
        can't fit before it starts, and the preflight of a run can tell what it will need.
        """
        return 3 * 8 * n * (d_a + d_b)

    def __call__(self, x: ArrayLike, y: ArrayLike) -> Score:
        """The score of the rows as they are paired."""
        return self.prepare(x, y).observed()

    def of_lists(self, a: Any, b: Any, lists: PairLists, *, threads: int = 1) -> Float[np.ndarray, " draws"]:
        """The score of every list of pairs of decoder rows; NaN where it isn't defined.

        Args:
            a, b: `DecoderRows` of both layers.
            lists: pairs of features.
            threads: how many lists to score side by side; no score depends on it.
        """

        def score(pairs: tuple[np.ndarray, np.ndarray]) -> float:
            try:
                return float(self(a.W_dec[pairs[0]], b.W_dec[pairs[1]]))
            except InputError:
                return math.nan

        return np.array(spread(one_blas_thread()(score), (lists[d] for d in range(len(lists))), threads))

    @property
    def options(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        pairs = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        return {name: value for name, value, default in pairs if value != default}

    @property
    def label(self) -> str:
        """The name, with the options that differ from their defaults.

        >>> from congruence.metrics import METRICS
        >>> METRICS.get("svcca").bind(variance=0.9, center=True).label
        'svcca(variance=0.9)'
        """
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.name}({options})" if options else self.name

    @property
    def key(self) -> str:
        """What scores are stored under: the label, where no other code can stand behind it."""
        return self.label

    def sentence(self, value: float) -> str:
        """A score in words, to stand after "…: "."""
        return self.says.format(score=format_score(value), percent=percent(value))


@dataclass(frozen=True)
class Metric:
    """A measure on the table, before its options are chosen: a function of x, y and options.

    Attributes:
        measure: the class of the measure.
    """

    measure: type[Measure]

    def __call__(self, x: ArrayLike, y: ArrayLike, **options: Any) -> Score:
        return self.measure(**options)(x, y)

    def prepare(self, x: ArrayLike, y: ArrayLike, **options: Any) -> Prepared:
        """Decompose both sides once, for the observed score and any number of re-pairings."""
        return self.measure(**options).prepare(x, y)

    def bind(self, **options: Any) -> Measure:
        """The measure with these options, checked by name, type and range.

        Raises:
            ConfigError: the measure has no such option, or a value isn't one that it takes.

        >>> from congruence.metrics import METRICS
        >>> METRICS.get("rsa").bind(rdm="euclidean").label
        'rsa(rdm=euclidean)'
        """
        check_names(f"measure {self.name!r}", options, [field.name for field in fields(self.measure)])
        try:
            return self.measure(**options)
        except InputError as error:
            raise ConfigError(f"measure {self.name!r}: {error}") from None

    def sentence(self, value: float) -> str:
        """A score at the default options in words, to stand after "…: "."""
        return self.measure().sentence(value)

    @property
    def name(self) -> str:
        return self.measure.name

    @property
    def title(self) -> str:
        return self.measure.title

    @property
    def range(self) -> tuple[float, float]:
        return self.measure.range

    @property
    def laws(self) -> Laws:
        return self.measure.laws

    @property
    def reading(self) -> str:
        return self.measure.reading

    @property
    def beware(self) -> str:
        return self.measure.beware

    @property
    def function(self) -> Callable[..., Score]:
        return self.measure.function

    @property
    def invariances(self) -> tuple[str, ...]:
        """The names of the laws that hold."""
        return tuple(name for name, holds in asdict(self.laws).items() if holds)

    @property
    def summary(self) -> str:
        """The first line of the measure's docstring."""
        return (self.measure.__doc__ or "").strip().split("\n")[0]


METRICS: Registry[Metric] = Registry("measure", "metrics")

ALWAYS_THERE = 1 << 28
"""Bytes up to which nobody asks whether there is memory."""

M = TypeVar("M", bound=Measure)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def metric(cls: type[M]) -> type[M]:
    """Make a class of `Measure` a frozen dataclass, register it by its name, and give it its function."""
    if not cls.name:
        raise ConfigError(f'{cls.__name__} has no name: give the class an attribute name = "..."')
    made = dataclass(frozen=True, kw_only=True)(cls)
    made.prepare = within_memory(made.prepare)
    made.function = staticmethod(_function(made))
    METRICS.add(made.name, Metric(made))
    return made


def _size(rows: Any) -> tuple[int, int]:
    """Rows and columns of an array; of anything else `prepare` says what is wrong with it."""
    shape = getattr(rows, "shape", ())
    return (int(shape[0]), int(shape[1])) if len(shape) == 2 else (0, 0)


def within_memory(prepare: Callable[..., Prepared]) -> Callable[..., Prepared]:
    """The method `prepare` of a measure, with too little memory as a one-line error of its own."""

    @wraps(prepare)
    def checked(self: Measure, x: ArrayLike, y: ArrayLike) -> Prepared:
        (n, d_a), (_, d_b) = _size(x), _size(y)
        needed = self.memory(n, d_a, d_b)
        free = available_bytes() if needed > ALWAYS_THERE else None
        try:
            if free is not None and needed > free:
                raise MemoryError
            return prepare(self, x, y)
        except MemoryError as error:
            free = available_bytes() if free is None else free
            there = "" if free is None else f", {free / 2**30:.1f} GiB available"
            raise InputError(
                f"{self.label} of {n} pairs needs about {needed / 2**30:.1f} GiB of memory{there}: "
                f"leave fewer pairs, or use a machine with more memory"
            ) from error

    return checked


def _function(cls: type[Measure]) -> Callable[..., Score]:
    """``function(x, y, **options)``, with the options in its signature and docstring."""

    def function(x: ArrayLike, y: ArrayLike, **options: Any) -> Score:
        return cls(**options)(x, y)

    sides = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in "xy"]
    hints = get_type_hints(cls)
    options = [p.replace(annotation=hints[p.name]) for p in inspect.signature(cls).parameters.values()]
    function.__name__ = function.__qualname__ = cls.name
    function.__module__ = cls.__module__
    function.__doc__ = _function_doc(cls)
    vars(function)["__signature__"] = inspect.Signature([*sides, *options], return_annotation=Score)
    return function


def _function_doc(cls: type[Measure]) -> str:
    """The class's docstring, with the arguments and what is under each field before its other sections."""
    text = inspect.cleandoc(cls.__doc__ or cls.title)
    arguments = [*zip("xy", cls.sides, strict=True), *field_docs(cls).items()]
    lines = [f"    {name}: {' '.join(doc.split())}" for name, doc in arguments]
    sections = re.search(r"^(Returns|Raises|Source|>>>)", text, re.MULTILINE)
    place = sections.start() if sections else len(text)
    return f"{text[:place].rstrip()}\n\nArgs:\n" + "\n".join(lines) + f"\n\n{text[place:]}"


def measure_of(label: str) -> Measure:
    """The measure of a label in results, e.g. ``svcca(variance=0.9)``.

    Raises:
        InputError: no such measure is registered, or it can't have such options.

    >>> measure_of("translation_accuracy(at=(1, 5), splits=2)").options
    {'at': (1, 5), 'splits': 2}
    """
    name, _, inside = label.partition("(")
    parts = re.split(r", (?=\w+=)", inside.removesuffix(")")) if inside else []
    options: Mapping[str, Any] = {part.partition("=")[0]: _literal(part.partition("=")[2]) for part in parts}
    return METRICS.get(name).bind(**options)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
