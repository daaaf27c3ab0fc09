"""Whether two models read the same tokens: proven on the vocabulary and the corpus, not assumed."""

from typing import Any

import numpy as np

from congruence.errors import ModelError
from congruence.models.language_model import LanguageModel
from congruence.models.tokens import Tokens


def tokenizer_difference(
    tokenizer_a: Any, tokenizer_b: Any, tokens_a: Tokens, tokens_b: Tokens
) -> str | None:
    """Why two tokenizers aren't the same, in words; None where vocabulary and ids on the corpus are equal."""
    vocabulary_a, vocabulary_b = tokenizer_a.get_vocab(), tokenizer_b.get_vocab()
    if vocabulary_a != vocabulary_b:
        other = sum(vocabulary_b.get(piece) != index for piece, index in vocabulary_a.items())
        return (
            f"vocabularies of {len(vocabulary_a):,} and {len(vocabulary_b):,} tokens, {other:,} of the "
            "first with another id in the second or none"
        )
    if _same_text(tokens_a, tokens_b):  # whatever special tokens stand around it
        return None
    if not np.array_equal(tokens_a.attention_mask, tokens_b.attention_mask):
        return "the same vocabulary, but the corpus gives rows of other lengths"
    real = tokens_a.attention_mask
    unlike = int((tokens_a.input_ids[real] != tokens_b.input_ids[real]).sum())
    if unlike:
        return f"the same vocabulary, but {unlike:,} of {int(real.sum()):,} ids of the corpus differ"
    if not np.array_equal(tokens_a.keep, tokens_b.keep):
        return "the same ids, but other positions are special tokens"
    return None


def _same_text(one: Tokens, other: Tokens) -> bool:
    return np.array_equal(one.token_ids, other.token_ids) and np.array_equal(one.documents, other.documents)


def require_equal_tokenizers(
    model_a: LanguageModel, model_b: LanguageModel, tokens_a: Tokens, tokens_b: Tokens
) -> None:
    """Refuse a token-by-token comparison of models whose tokens aren't the same.

    Raises:
        ModelError: names both models and what differs.
    """
    difference = tokenizer_difference(model_a.tokenizer, model_b.tokenizer, tokens_a, tokens_b)
    if difference is not None:
        raise ModelError(
            f"{model_a.name} and {model_b.name} have different tokenizers ({difference}): "
            "align their tokens by characters, or choose models that share a tokenizer"
        )
