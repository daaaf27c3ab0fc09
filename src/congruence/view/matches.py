"""The pairs of a cell, searched and sorted, the interesting ones first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from congruence.errors import InputError, unknown_name
from congruence.run.columns import blank
from congruence.run.schema import TABLES
from congruence.view.plain import number, texts
from congruence.view.top_words import TopWords
from congruence.view.views import where

INTEREST = (
    "Surprise is r × margin × rarity. Margin: r minus that of the second-best partner. Rarity: the mean over "
    "the words that both features have among their top tokens of 1 − log(pairs with the word) / log(pairs of "
    "the cell); marks without a letter or digit count 0."
)
SORTS = (
    "interest", "r", "margin", "cofirings", "firings_a", "firings_b", "mutual", "feature_a", "feature_b",
    "overlap", "null_r", "p_r",
)  # fmt: skip
_WHOLE = ("feature_a", "feature_b", "firings_a", "firings_b", "cofirings")
KEPT = ("kept", "removed", "all")
MOST = 1000
"""Rows that one answer may hold."""


@dataclass(frozen=True)
class Query:
    """What is asked of a cell's pairs.

    Attributes:
        search: text in a top token of either side, or a feature: "512" of either side, "a512", "b512".
        sort: a column.
        descending: the largest first.
        offset, limit: which of the rows found.
        kept: "kept", "removed" (by a filter) or "all".

    Raises:
        InputError: the column isn't known, or a number is out of range.
    """

    search: str = ""
    sort: str = "interest"
    descending: bool = True
    offset: int = 0
    limit: int = 50
    kept: str = "kept"

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise InputError(unknown_name("column", self.sort, SORTS))
        if self.kept not in KEPT:
            raise InputError(unknown_name("choice of pairs", self.kept, KEPT))
        if self.offset < 0 or not 0 < self.limit <= MOST:
            raise InputError(f"limit={self.limit}, offset={self.offset}: ask for 1 to {MOST} rows from 0 on")


@dataclass(frozen=True, eq=False)
class Matches:
    """The pairs of one cell.

    Attributes:
        table: its rows of matches.parquet, numbered from 0, without the top tokens.
        top: these.
    """

    table: pd.DataFrame
    top: TopWords

    @classmethod
    def of(cls, rows: Any) -> "Matches":
        """Of the rows of a cell as an Arrow table, with columns `overlap` and `interest`."""
        top, table = TopWords.of(rows), plain_columns(rows, "matches")
        either = table.firings_a + table.firings_b - table.cofirings
        known = (table.cofirings >= 0) & (either > 0)
        overlap = np.where(known, table.cofirings / either.where(either > 0, 1), np.nan)
        return cls(table.assign(overlap=overlap, interest=interest(table, top)), top)

    def in_full(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Some rows of the table with their top tokens."""
        places = rows.index.to_numpy()
        tokens = {f"top_tokens_{side}": self.top.listed(side, places) for side in ("a", "b")}
        return rows.assign(
            **{name: pd.Series(found, rows.index, dtype=object) for name, found in tokens.items()}
        )

    @cached_property
    def partners(self) -> dict[str, dict[int, int]]:
        """Side -> feature -> the kept partner with the highest r."""
        kept = where(self.table, self.table.kept)
        kept = kept.iloc[np.argsort(-kept.r.to_numpy(dtype=np.float64), kind="stable")]
        a, b = kept.feature_a.tolist()[::-1], kept.feature_b.tolist()[::-1]
        return {"a": dict(zip(a, b, strict=True)), "b": dict(zip(b, a, strict=True))}

    @cached_property
    def _columns(self) -> dict[str, Any]:
        """The columns of the table: numbers as arrays."""
        return {
            str(name): column.to_numpy() if column.dtype.kind in "biuf" else column
            for name, column in self.table.items()
        }

    @property
    def nbytes(self) -> int:
        """Memory held, about."""
        return 250 * len(self.table)

    def find(self, query: Query) -> tuple[int, pd.DataFrame]:
        """How many rows a query finds, and the part of them that it asks for."""
        table, found = self.table, np.arange(len(self.table))
        if query.kept != "all":
            found = np.flatnonzero(table.kept.to_numpy() == (query.kept == "kept"))
        if query.search.strip():
            found = found[self._holding(query.search)[found]]
        column = table[query.sort].to_numpy(dtype=np.float64)[found]
        key = np.where(np.isnan(column), np.inf, -column if query.descending else column)
        order = np.lexsort((table.feature_b.to_numpy()[found], table.feature_a.to_numpy()[found], key))
        asked = found[order[query.offset : query.offset + query.limit]]
        return len(found), self.in_full(table.iloc[asked])

    def one(self, feature_a: int, feature_b: int) -> dict[str, Any] | None:
        """One pair; None where it wasn't matched."""
        a, b = self.table.feature_a.to_numpy(), self.table.feature_b.to_numpy()
        there = np.flatnonzero((a == feature_a) & (b == feature_b))
        if not len(there):
            return None
        place = int(there[0])
        row = {name: column[place] for name, column in self._columns.items()}
        return row | {f"top_tokens_{side}": self.top.listed(side, there[:1])[0] for side in ("a", "b")}

    def _holding(self, search: str) -> np.ndarray:
        wanted = search.strip().casefold()
        side, digits = ("", wanted) if wanted.isdigit() else (wanted[:1], wanted[1:])
        number_asked = digits.isascii() and digits.isdigit() and len(digits) < 10 and side in ("", "a", "b")
        found = self.top.holding(wanted)
        if number_asked:
            for one in (side,) if side else ("a", "b"):
                found = found | (self.table[f"feature_{one}"] == int(digits)).to_numpy()
        return found


def row_of(row: Mapping[str, Any], *, has_pair: bool) -> dict[str, Any]:
    """A row as the pages have it."""
    return {
        **{name: int(row[name]) for name in _WHOLE},
        **{name: number(row[name]) for name in ("r", "margin", "overlap", "null_r", "p_r", "interest")},
        **{name: bool(row[name]) for name in ("mutual", "kept")},
        "removed_by": str(row["removed_by"]),
        "top_tokens_a": texts(row["top_tokens_a"]),
        "top_tokens_b": texts(row["top_tokens_b"]),
        "has_pair": has_pair,
    }


def interest(table: pd.DataFrame, top: TopWords) -> np.ndarray:
    """(rows,) surprise of each pair, as INTEREST says; 0 where nothing is known of its margin."""
    if table.empty:
        return np.zeros(0)
    margin = np.clip(np.nan_to_num(table.margin.to_numpy(dtype=np.float64)), 0, 1)
    return np.clip(np.nan_to_num(table.r.to_numpy(dtype=np.float64)), 0, 1) * margin * top.rarity()


def plain_columns(rows: Any, name: str) -> pd.DataFrame:
    """The columns of numbers, marks and words of an Arrow table, those that the file lacks filled in.

    Args:
        rows: some rows of one of a run's tables.
        name: of that table.
    """
    columns = [column for column in TABLES[name] if column.kind not in ("texts", "record", "records")]
    there = [column.name for column in columns if column.name in rows.column_names]
    table = rows.select(there).to_pandas()
    return table.assign(**{c.name: blank(c) for c in columns if c.name not in there})[
        [c.name for c in columns]
    ]
