"""The tokens that two vocabularies share, by what they stand for."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from congruence.errors import ConfigError
from congruence.models import token_strings

FEWEST = 100
"""Shared tokens from which logits over them are compared."""


@dataclass(frozen=True, eq=False)
class SharedTokens:
    """Tokens of two vocabularies that stand for the same text.

    Attributes:
        a, b: (v,) ids of each token in either vocabulary.
        strings: (v,) its text, a leading space included.
    """

    a: Int[np.ndarray, " v"]
    b: Int[np.ndarray, " v"]
    strings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.strings)

    def ids(self, side: str) -> Int[np.ndarray, " v"]:
        """Those of side "a" or "b"."""
        return self.a if side == "a" else self.b


def shared_tokens(tokenizer_a: Any, tokenizer_b: Any) -> SharedTokens:
    """The tokens of both, special ones left out, in the order of a's ids.

    A string that several tokens of one vocabulary stand for, such as half a character, tells no partner and
    is left out.

    Args:
        tokenizer_a, tokenizer_b: of Hugging Face models.

    Raises:
        ConfigError: they share fewer than 100 tokens.
    """
    a, b = _ids_of(tokenizer_a), _ids_of(tokenizer_b)
    strings = [string for string in a if string in b]
    if len(strings) < FEWEST:
        raise ConfigError(
            f"function: the two vocabularies share {len(strings)} tokens, and logits are compared over at "
            f"least {FEWEST}: leave logit_weights and substitution out"
        )
    ids = [np.array([table[string] for string in strings], dtype=np.int64) for table in (a, b)]
    return SharedTokens(ids[0], ids[1], tuple(strings))


def _ids_of(tokenizer: Any) -> dict[str, int]:
    """String -> id of the tokens that no other stands for as well, by rising id."""
    special = set(tokenizer.all_special_ids)
    ids = sorted(one for one in tokenizer.get_vocab().values() if one not in special)
    strings = token_strings(tokenizer, ids)
    times = Counter(strings)
    return {
        string: one
        for string, one in zip(strings, ids, strict=True)
        if times[string] == 1 and string and "\ufffd" not in string
    }
