"""What cells need of one layer of one side, computed once a layer and never once a pair."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int

from congruence.records import TopTokens
from congruence.stats import PreparedActs, of_features


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


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer's features as the cells use them.

    Attributes:
        name: side, variant and layer, e.g. "a/real/3"; seeds are derived from it.
        key: content key of everything below.
        acts: activations, prepared for correlation by `congruence.stats`; in memory or read by blocks.
        top: top tokens of every feature, with their rows and activations.
        token_codes: (f, k) top tokens as codes of `vocabulary`; -1 where there are fewer.
        document_offsets: first row of each document, and n at the end.
        vocabulary: strings of the codes.
        decoder: gives the decoder rows, when they are first wanted.
        acts_bytes: what the activations and their layouts take in memory, about.
    """

    name: str
    key: str
    acts: PreparedActs
    top: TopTokens
    token_codes: np.ndarray
    document_offsets: np.ndarray
    vocabulary: Vocabulary
    decoder: Callable[[], np.ndarray]
    acts_bytes: int = 0

    @cached_property
    def W_dec(self) -> np.ndarray:
        """(f, d) float32 decoder rows."""
        return self.decoder()

    def drop_decoder(self) -> None:
        """Forget the decoder rows, which are read again when they are wanted."""
        self.__dict__.pop("W_dec", None)

    @cached_property
    def live(self) -> Int[np.ndarray, " live"]:
        """The features that fire at all."""
        return np.flatnonzero(self.acts.moments.firings)

    @property
    def alive(self) -> int:
        """Number of features that fire at all."""
        return len(self.live)

    @property
    def nbytes(self) -> int:
        """Memory held: activations with their layouts, decoder rows if they were wanted, top tokens."""
        decoder = self.__dict__.get("W_dec")
        arrays = (self.top.values, self.top.positions, self.top.token_ids, self.token_codes)
        tables = sum(array.nbytes for array in arrays)
        return self.acts_bytes + tables + (0 if decoder is None else decoder.nbytes)

    def columns_of(self, features: Int[np.ndarray, " m"]) -> PreparedActs:
        """The activations of chosen features alone, prepared: feature i is `features[i]`."""
        return of_features(self.acts, features)

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
    codes: dict[str, Any] = {}
    for side, (ids, strings) in decoded.items():
        table = np.full(int(ids.max(initial=-1)) + 1, -1, dtype=np.int64)
        table[ids] = [numbers.setdefault(string, len(numbers)) for string in strings]
        codes[side] = table
    return Vocabulary(list(numbers), special, codes)
