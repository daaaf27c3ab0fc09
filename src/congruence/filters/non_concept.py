"""Drop pairs that fire on punctuation, white space or special tokens."""

from collections.abc import Sequence

import numpy as np

from congruence.filters.pairs import Pairs
from congruence.filters.registry import FILTERS

NON_CONCEPT_TOKENS = ("\\n", "\n", "", " ", ".", ",", "!", "?", "-")
PUBLISHED_SPECIAL_TOKENS = ("<|endoftext|>", "<bos>", "<eos>", "<pad>")


@FILTERS.register("non_concept")
def non_concept(pairs: Pairs, *, tokens: Sequence[str] = NON_CONCEPT_TOKENS) -> np.ndarray:
    """Keep a pair unless one of the top tokens of either feature *equals* a non-concept string.

    The tokenizers' own special tokens count as well. " ." is not ".": the comparison is exact, as published.
    Lan et al. 2024, appendix F, filter 1.
    """
    unwanted = {*tokens, *PUBLISHED_SPECIAL_TOKENS, *pairs.special}
    codes = np.array(
        [code for code, string in enumerate(pairs.strings) if string in unwanted], dtype=np.int64
    )
    both = np.concatenate([pairs.tokens_a, pairs.tokens_b], axis=1)
    return np.logical_not(np.isin(both, codes).any(axis=1))
