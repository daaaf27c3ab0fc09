"""The pairs of a cell, searched and sorted, the interesting ones first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from congruence.errors import InputError, unknown_name
from congruence.view.plain import number, texts
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
        table: its rows of matches.parquet, numbered from 0.
    """

    table: pd.DataFrame

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Matches":
        """Of the rows of a cell, with columns `overlap` and `interest`."""
        table = table.reset_index(drop=True)
        either = table.firings_a + table.firings_b - table.cofirings
        known = (table.cofirings >= 0) & (either > 0)
        return cls(
            table.assign(
                overlap=np.where(known, table.cofirings / either.where(either > 0, 1), np.nan),
                interest=interest(table),
            )
        )

    @cached_property
    def searched(self) -> pd.Series:
        """Top tokens of both sides of each row in small letters, one text."""
        both = zip(self.table.top_tokens_a, self.table.top_tokens_b, strict=True)
        return pd.Series(["\n".join([*a, *b]).casefold() for a, b in both], dtype=object)

    @cached_property
    def partners(self) -> dict[str, dict[int, int]]:
        """Side -> feature -> the kept partner with the highest r."""
        kept = where(self.table, self.table.kept)
        kept = kept.iloc[np.argsort(-kept.r.to_numpy(dtype=np.float64), kind="stable")]
        a, b = kept.feature_a.tolist()[::-1], kept.feature_b.tolist()[::-1]
        return {"a": dict(zip(a, b, strict=True)), "b": dict(zip(b, a, strict=True))}

    @property
    def nbytes(self) -> int:
        """Memory held, about."""
        return 800 * len(self.table)

    def find(self, query: Query) -> tuple[int, pd.DataFrame]:
        """How many rows a query finds, and the part of them that it asks for."""
        found = self.table
        if query.kept != "all":
            found = where(found, found.kept == (query.kept == "kept"))
        if query.search.strip():
            found = where(found, self._holding(query.search)[found.index])
        column = found[query.sort].to_numpy(dtype=np.float64)
        key = np.where(np.isnan(column), np.inf, -column if query.descending else column)
        order = np.lexsort((found.feature_b, found.feature_a, key))
        return len(found), found.iloc[order[query.offset : query.offset + query.limit]]

    def one(self, feature_a: int, feature_b: int) -> dict[str, Any] | None:
        """One pair; None where it wasn't matched."""
        rows = where(self.table, (self.table.feature_a == feature_a) & (self.table.feature_b == feature_b))
        return None if rows.empty else {str(name): value for name, value in rows.iloc[0].items()}

    def _holding(self, search: str) -> np.ndarray:
        wanted = search.strip().casefold()
        side, digits = ("", wanted) if wanted.isdigit() else (wanted[:1], wanted[1:])
        number_asked = digits.isascii() and digits.isdigit() and len(digits) < 10 and side in ("", "a", "b")
        in_text = self.searched.str.contains(search.casefold() if search != wanted else wanted, regex=False)
        found = in_text.to_numpy(dtype=bool) | self.searched.str.contains(wanted, regex=False).to_numpy(bool)
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


def interest(table: pd.DataFrame) -> np.ndarray:
    """(rows,) surprise of each pair, as INTEREST says; 0 where nothing is known of its margin."""
    total = len(table)
    if not total:
        return np.zeros(0)
    sides = [_flat(table[f"top_tokens_{side}"]) for side in ("a", "b")]
    codes, words = pd.factorize(np.concatenate([tokens for _, tokens in sides]))
    plain, names = pd.factorize(pd.Index([str(word).strip().casefold() for word in words], dtype=object))
    codes = plain[codes] if len(codes) else codes
    cut = len(sides[0][0])
    keys_a = np.unique(sides[0][0] * len(names) + codes[:cut])
    keys_b = np.unique(sides[1][0] * len(names) + codes[cut:])
    either, shared = np.union1d(keys_a, keys_b), np.intersect1d(keys_a, keys_b)
    width = max(len(names), 1)
    with_word = np.bincount((either % width).astype(np.int64), minlength=width)
    rare = 1 - np.log(np.maximum(with_word, 1)) / max(np.log(total), 1e-12)
    rare = rare * np.array([any(c.isalnum() for c in str(name)) for name in names] or [False])
    rows, values = (shared // width).astype(np.int64), rare[(shared % width).astype(np.int64)]
    number_of = np.bincount(rows, minlength=total)
    rarity = np.bincount(rows, weights=values, minlength=total) / np.maximum(number_of, 1)
    margin = np.clip(np.nan_to_num(table.margin.to_numpy(dtype=np.float64)), 0, 1)
    return np.clip(np.nan_to_num(table.r.to_numpy(dtype=np.float64)), 0, 1) * margin * rarity


def _flat(lists: Any) -> tuple[np.ndarray, np.ndarray]:
    """Row and text of every entry of a column of lists."""
    sizes = np.array([len(one) for one in lists], dtype=np.int64)
    flat = [str(text) for one in lists for text in one]
    return np.repeat(np.arange(len(sizes)), sizes), np.array(flat, dtype=object)
