"""What measures and nulls are called. The words stand with the measure and the null; here they are read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from congruence.errors import CongruenceError
from congruence.wording import format_score


@dataclass(frozen=True)
class MeasureWords:
    """A measure in words, for a reader who hasn't met it.

    Attributes:
        title: name in running text, options included.
        reading: what it asks of the two spaces.
        beware: when not to believe it.
        sentence: a score in words, to stand after "…: ".
    """

    title: str
    reading: str
    beware: str
    sentence: Callable[[float], str]


@dataclass(frozen=True)
class NullWords:
    """A null in words.

    Attributes:
        title: short, for captions.
        hypothesis: what would be true if nothing but chance were at work; "" where it isn't installed.
        in_words: begins a sentence on the scores of its draws.
    """

    title: str
    hypothesis: str
    in_words: str


@lru_cache(maxsize=256)
def measure_words(label: str) -> MeasureWords:
    """The words for a measure's label; one that isn't installed here goes by its name.

    >>> measure_words("svcca(n_components=n/10)").title
    'SVCCA, n components: n/10'
    """
    from congruence.metrics import measure_of

    try:
        measure = measure_of(label)
    except CongruenceError:
        unknown = "This measure isn't installed here, so it can't be described.", "See its own documentation."
        return MeasureWords(label, *unknown, _plainly)
    shown = [f"{key.replace('_', ' ')}: {value}" for key, value in measure.options.items()]
    title = ", ".join([measure.title or measure.name, *shown])
    return MeasureWords(title, measure.reading, measure.beware, measure.sentence)


@lru_cache(maxsize=64)
def null_words(name: str) -> NullWords:
    """The words for a null; one that isn't installed here goes by its name."""
    from congruence.nulls import NULLS

    if name not in NULLS:
        return NullWords(name, "", f"under the null {name!r}")
    entry = NULLS.get(name)
    return NullWords(entry.title, entry.hypothesis, entry.in_words)


def _plainly(value: float) -> str:
    return f"the score is {format_score(value)}"
