"""What the grid needs of one layer of one side, computed once a layer and never once a pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Vocabulary:
    """Decoded tokens of both sides under one numbering: equal strings have equal codes.

    Attributes:
        strings: code -> decoded token.
        special: strings of special tokens.
        codes: side -> (token ids,) code of each token id; -1 for ids the corpus doesn't hold.
    """

    strings: list[str]
    special: frozenset[str]
    codes: dict[str, np.ndarray]


@dataclass(frozen=True)
class LayerFeatures:
    """One layer's features as the cells use them.

    Attributes:
        acts: the side's activations, prepared for correlation by `congruence.stats`.
        W_dec: (f, d) float32 decoder rows.
        token_codes: (f, k) top tokens as codes of `vocabulary`; -1 where there are fewer.
        matrix: the same activations, (n, f) CSR or stored, for nulls that pair again.
        live: the features that fire at all.
        document_offsets: first row of each document, and n at the end.
        vocabulary: strings of the codes.
        key: content key of everything above.
    """

    acts: Any
    W_dec: np.ndarray
    token_codes: np.ndarray
    matrix: Any
    live: np.ndarray
    document_offsets: np.ndarray
    vocabulary: Vocabulary
    key: str

    @property
    def alive(self) -> int:
        """Number of features that fire at all."""
        return len(self.live)

    def top_token_strings(self, features: np.ndarray) -> list[list[str]]:
        """The decoded top tokens of each of `features`, strongest first."""
        strings = self.vocabulary.strings
        return [[strings[code] for code in row if code >= 0] for row in self.token_codes[features]]


def shared_vocabulary(
    decoded: dict[str, tuple[np.ndarray, Sequence[str]]], special: frozenset[str]
) -> Vocabulary:
    """Number the decoded tokens of both sides.

    Args:
        decoded: side -> (token ids that occur, their decoded strings).
        special: strings of special tokens.
    """
    numbers: dict[str, int] = {}
    codes = {}
    for side, (ids, strings) in decoded.items():
        table = np.full(int(ids.max(initial=-1)) + 1, -1, dtype=np.int64)
        table[ids] = [numbers.setdefault(string, len(numbers)) for string in strings]
        codes[side] = table
    return Vocabulary(list(numbers), special, codes)
