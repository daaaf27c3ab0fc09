"""The top tokens of a cell's pairs as numbers: of a million pairs each word is looked at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

SIDES = ("a", "b")


@dataclass(frozen=True, eq=False)
class TopWords:
    """What both features of each pair fire on most strongly.

    Attributes:
        words: every word that occurs.
        codes: side -> (pairs, k) int32 places in `words`; -1 where a feature has fewer.
    """

    words: tuple[str, ...]
    codes: dict[str, np.ndarray]

    @classmethod
    def of(cls, table: Any) -> "TopWords":
        """Of an Arrow table with lists ``top_tokens_a`` and ``top_tokens_b``; either may be absent."""
        import pyarrow as pa
        import pyarrow.compute as pc

        lists, flat = {}, [pa.array([], pa.string())]
        for side in SIDES:
            if (name := f"top_tokens_{side}") in table.column_names:
                column = table[name].combine_chunks()
                lists[side] = pc.fill_null(column.value_lengths(), 0).to_numpy(zero_copy_only=False)
                flat.append(column.flatten().cast(pa.string()))
        coded = pa.concat_arrays(flat).dictionary_encode()
        numbers = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
        codes, start = {}, 0
        for side in SIDES:
            sizes = lists.get(side, np.zeros(len(table), np.int64)).astype(np.int64)
            padded = np.full((len(table), int(sizes.max(initial=0))), -1, dtype=np.int32)
            there = np.arange(padded.shape[1]) < sizes[:, None]
            padded[there] = numbers[start : start + int(sizes.sum())]
            start += int(sizes.sum())
            codes[side] = padded
        return cls(tuple(str(word) for word in coded.dictionary.to_pylist()), codes)

    def listed(self, side: str, rows: Sequence[int] | np.ndarray) -> list[list[str]]:
        """The words of some pairs on one side, strongest first."""
        return [[self.words[code] for code in row if code >= 0] for row in self.codes[side][rows].tolist()]

    def holding(self, text: str) -> np.ndarray:
        """(pairs,) whether a word of either side holds a text, whatever its case."""
        wanted = text.casefold()
        hits = np.array([wanted in word for word in self._folded] + [False])  # the last one stands for -1
        return np.any([hits[codes].any(axis=1) for codes in self.codes.values()], axis=0)

    @cached_property
    def _folded(self) -> list[str]:
        return [word.casefold() for word in self.words]

    def rarity(self) -> np.ndarray:
        """(pairs,) mean over the words on both sides of 1 - log(pairs with the word) / log(pairs).

        Words that differ in case and space alone are one; those without a letter or digit count 0. A pair
        without a common word has 0.
        """
        total = len(self.codes["a"])
        plain, numbers = np.unique([word.strip().casefold() for word in self.words], return_inverse=True)
        table = np.append(numbers, -1).astype(np.int32)  # code -1 stays -1
        a, b = (_once(table[self.codes[side]]) for side in SIDES)
        either = _once(np.concatenate([a, b], axis=1))
        with_word = np.bincount(either[either >= 0], minlength=len(plain))
        rare = 1 - np.log(np.maximum(with_word, 1)) / max(np.log(max(total, 1)), 1e-12)
        rare = rare * np.array([any(c.isalnum() for c in word) for word in plain.tolist()], dtype=bool)
        summed, number = np.zeros(total), np.zeros(total, dtype=np.int64)
        for column in a.T:
            common = (column >= 0) & (b == column[:, None]).any(axis=1)
            summed[common] += rare[column[common]]
            number += common
        return summed / np.maximum(number, 1)


def _once(codes: np.ndarray) -> np.ndarray:
    """Each row sorted, a code that stands there already replaced by -1."""
    codes = np.sort(codes, axis=1)
    codes[:, 1:][codes[:, 1:] == codes[:, :-1]] = -1
    return codes
