"""Some rows of a run's results by column: reports ask for a few numbers of a few rows thousands of times."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd


class Rows:
    """Rows of a table, whose columns are taken out of it once for all of its `Rows`.

    A table of pandas takes a millisecond for each selection of rows, this takes microseconds.

    Args:
        table: all rows.
        places: which of them, by position.
        held: columns that were taken out before; shared with what is made from these.
    """

    def __init__(
        self, table: pd.DataFrame, places: np.ndarray, held: dict[str, np.ndarray] | None = None
    ) -> None:
        self._table, self.places = table, places
        self._held: dict[str, np.ndarray] = {} if held is None else held

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Rows":
        """All rows of a table."""
        return cls(table, np.arange(len(table)))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, name: str) -> np.ndarray:
        """(rows,) values of a column; texts, lists and mappings as objects."""
        if name not in self._held:
            self._held[name] = self._table[name].to_numpy()
        return self._held[name][self.places]

    @property
    def empty(self) -> bool:
        """Whether there are no rows."""
        return not len(self.places)

    def where(self, keep: np.ndarray) -> "Rows":
        """Those that a boolean mask keeps."""
        return self.at(self.places[keep])

    def at(self, places: np.ndarray) -> "Rows":
        """Others of the same table, by position in it."""
        return Rows(self._table, places, self._held)

    def row(self, number: int) -> pd.Series:
        """One of these rows, with every column."""
        return cast(pd.Series, self._table.iloc[int(self.places[number])])

    def tuples(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Some columns row by row, numbers as Python's own."""
        return zip(*(self[name].tolist() for name in names), strict=True)

    def groups(self, *names: str) -> dict[tuple[Any, ...], np.ndarray]:
        """Positions in the table of the rows that agree in some columns, by their values, as they occur."""
        found: dict[tuple[Any, ...], list[int]] = {}
        for place, values in zip(self.places.tolist(), self.tuples(*names), strict=True):
            found.setdefault(values, []).append(place)
        return {values: np.array(places) for values, places in found.items()}

    @cached_property
    def frame(self) -> pd.DataFrame:
        """These rows as a table."""
        return cast(pd.DataFrame, self._table.iloc[self.places])


def placed(names: Sequence[int], values: np.ndarray) -> np.ndarray:
    """(rows,) index of each value in `names`."""
    at = {name: number for number, name in enumerate(names)}
    return np.array([at[value] for value in values.tolist()], dtype=np.int64)
