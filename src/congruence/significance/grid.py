"""The same test on every cell of a grid, with synchronised draws."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from congruence.nulls.permutations import seed_of
from congruence.records import NullTest
from congruence.significance.permutation import permutation_test


def test_cells(
    metric: str | Callable[..., Any],
    cells: Iterable[tuple[ArrayLike, ArrayLike]],
    *,
    rng: int | np.random.Generator,
    **options: Any,
) -> list[NullTest]:
    """`permutation_test` on each (x, y), all from one seed, ready for ``adjust(results, "max_t")``.

    Draw d is the same re-pairing in all cells of one size, and nearly the same in cells of nearly one
    size (see `permutations_for`). Calling `permutation_test` cell by cell, in any order or process, with
    the same integer seed gives the same results.

    Args:
        metric: as for `permutation_test`.
        cells: (x, y) of each cell.
        rng: a seed, or a generator from which one is drawn.
        **options: as for `permutation_test`.

    Returns:
        One NullTest a cell, in order.
    """
    seed = seed_of(rng)
    return [permutation_test(metric, x, y, rng=seed, **options) for x, y in cells]


test_cells.__test__ = False  # pyright: ignore[reportFunctionMemberAccess] (or pytest would collect it)
