"""One cell after another in this process."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")


def run(work: Callable[[Work], Result], items: Iterable[Work]) -> Iterator[Result]:
    """The results of `work` in the order of `items`."""
    return map(work, items)
