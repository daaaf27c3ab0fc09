"""What a filter sees: the pairs of a matching, with the top tokens of both features of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from congruence.types import Matching


@dataclass(frozen=True)
class Pairs:
    """Pairs of features and their top tokens as codes into one list of strings.

    Attributes:
        matching: p pairs.
        tokens_a, tokens_b: (p, k) codes into `strings`, strongest token first; -1 where a feature fires on
            fewer than k tokens.
        strings: decoded tokens; equal strings have equal codes on both sides.
        special: strings of the tokenizers' special tokens.
        repeats: the side, "a" or "b", whose features may stand in more than one pair, or None.
    """

    matching: Matching
    tokens_a: Int[np.ndarray, "p k"]
    tokens_b: Int[np.ndarray, "p k"]
    strings: Sequence[str]
    special: frozenset[str] = frozenset()
    repeats: str | None = None

    def select(self, keep: np.ndarray) -> "Pairs":
        """The pairs at a boolean mask."""
        return Pairs(
            self.matching.select(keep),
            self.tokens_a[keep],
            self.tokens_b[keep],
            self.strings,
            self.special,
            self.repeats,
        )


def encode_tokens(
    tokens_a: Sequence[Sequence[str]], tokens_b: Sequence[Sequence[str]], *, k: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Codes (p, k) of both sides' token lists, and the strings that they stand for."""
    codes: dict[str, int] = {}

    def encode(lists: Sequence[Sequence[str]]) -> np.ndarray:
        table = np.full((len(lists), k), -1, dtype=np.int64)
        for row, tokens in zip(table, lists, strict=True):
            for position, token in enumerate(tokens[:k]):
                row[position] = codes.setdefault(token, len(codes))
        return table

    encoded_a, encoded_b = encode(tokens_a), encode(tokens_b)
    return encoded_a, encoded_b, list(codes)
