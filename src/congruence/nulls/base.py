"""What a null is: it draws, from one case, what chance would have given; measures score what it draws."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from congruence.errors import ConfigError, InputError
from congruence.matching.subsets import Ragged
from congruence.options import check_fields, check_names
from congruence.records import PairLists
from congruence.registry import Registry

ATTEMPTS = 100
"""A draw that gives too few pairs is made anew, under its own number, up to so many times in all."""

RowPairs = Sequence[tuple[Any, Any]]
Draws = Int[np.ndarray, "m n"] | PairLists | RowPairs
"""What a null gives: re-pairings of the observed rows, other pairs of the same spaces, or other rows."""

PairInside = Callable[[Ragged, Ragged], PairLists]
"""Pairs the features inside each of many pairs of subsets, by the very procedure of the observed pairs."""


@dataclass(frozen=True, eq=False)
class Case:
    """One selection of one cell with its observed pairs: all that a null may draw from.

    Attributes:
        n: observed pairs.
        seed: what the draws derive from.
        selection: name of the selection, which draws of subsets derive from.
        sides: names of the two sides, which draws of subsets derive from, e.g. "a/real/3".
        rows: decoder rows of all features of both sides, which drawn pairs index.
        pairs: the observed pairs, as features of both sides.
        rates: (n,) firings of the B feature of each pair.
        pools: features of each side that could have been selected; None: all.
        sizes: features selected on each side, before pairing.
        pair_inside: pairs inside subsets, as the observed pairs were made.
        whole: features of the pairs that the whole space keeps.
        members: for each side, the features of random keyword groups: (numbers, attempt) -> lists.
        starts: first token of each document of side B.
        pair_shifted: pairs found when side B is read from a token on: start -> features of A and of B.
        rerun: paired rows of one draw: a function of a generator, or a sequence.
        min_pairs: draws with fewer pairs are made anew, and give no score in the end.
    """

    n: int
    seed: int
    selection: str = "all"
    sides: tuple[str, str] = ("a", "b")
    rows: tuple[Any, Any] | None = None
    pairs: tuple[np.ndarray, np.ndarray] | None = None
    rates: np.ndarray | None = None
    pools: tuple[Any, Any] | None = None
    sizes: tuple[int, int] | None = None
    pair_inside: PairInside | None = None
    whole: tuple[np.ndarray, np.ndarray] | None = None
    members: tuple[Callable[[np.ndarray, int], Ragged], ...] | None = None
    starts: np.ndarray | None = None
    pair_shifted: Callable[[int], tuple[np.ndarray, np.ndarray]] | None = None
    rerun: Any = None
    min_pairs: int = 3

    def facts(self) -> set[str]:
        """What this case has beside its observed pairs."""
        return {field.name for field in fields(self) if getattr(self, field.name) is not None}


class Null(ABC):
    """One hypothesis of chance. A subclass is a frozen dataclass: its options are its fields.

    Attributes:
        name: its name in results and configurations.
        title: a few words for captions.
        hypothesis: what would be true if nothing but chance were at work.
        in_words: how a draw is made, to stand before "the score is …".
        needs: facts of a case without which it can't draw.
        repairs: its draws are re-pairings of the observed rows.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    hypothesis: ClassVar[str]
    in_words: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    repairs: ClassVar[bool] = False

    @abstractmethod
    def draw(self, case: Case, numbers: range) -> Draws:
        """The draws of these numbers; draw d depends on the case's seed and d alone."""

    def missing(self, case: Case) -> list[str]:
        """The facts that this null needs and the case doesn't have."""
        return [name for name in self.needs if name not in case.facts()]


NULLS: Registry[type[Null]] = Registry("null", "nulls")


def null(kind: type[Null]) -> type[Null]:
    """Register a null under its own name."""
    NULLS.add(kind.name, kind)
    return kind


def make_null(name: str, **options: Any) -> Null:
    """The null of that name with its options.

    Raises:
        ConfigError: no such null, it has no such option, or a value isn't one that it takes.
    """
    kind = NULLS.get(name)
    what = f"null {name!r}"
    check_names(what, options, [field.name for field in fields(kind)])  # pyright: ignore[reportArgumentType]
    try:
        made = kind(**options)
        check_fields(made)
    except InputError as error:
        raise ConfigError(f"{what}: {error}") from None
    return made


def enough_pairs(
    attempt: Callable[[np.ndarray, int], PairLists], numbers: range, min_pairs: int
) -> PairLists:
    """Draws of pairs in the order of their numbers; one with too few pairs is made anew under its number.

    Args:
        attempt: (numbers, attempt) -> their pairs.
        numbers: which draws.
        min_pairs: fewest pairs of a draw; one that never reaches them stays short, and gives no score.

    Raises:
        InputError: no draw gives enough pairs.
    """
    wanted = np.arange(numbers.start, numbers.stop)
    lists = attempt(wanted, 0)
    for number in range(1, ATTEMPTS):
        short = np.flatnonzero(lists.lengths < min_pairs)
        if not len(short) or (number > 5 and len(short) == len(lists)):
            break
        again = attempt(wanted[short], number)
        source = np.arange(len(lists))
        source[short] = len(lists) + np.arange(len(short))
        lists = PairLists.joined([lists, again]).take(source)
    if len(lists) and not (lists.lengths >= min_pairs).any():
        raise InputError(f"no draw gives {min_pairs} pairs, however often it is made: use larger subsets")
    return lists
