"""The text of a run as both sides read it: tokens of each, and how their rows correspond."""

import logging
from dataclasses import dataclass

from congruence.config.sections import CorpusConfig
from congruence.errors import ModelError
from congruence.models import (
    Alignment,
    Corpus,
    LanguageModel,
    Tokens,
    align_tokens,
    load_corpus,
    load_dataset_corpus,
    tokenize,
)
from congruence.models.tokenizer_equality import tokenizer_difference
from congruence.sides.side import Side

logger = logging.getLogger(__name__)

DEFAULT_MAX_TOKENS = 512
DEFAULT_DATASET_DOCUMENTS = 100


@dataclass(frozen=True)
class SharedText:
    """The corpus as both sides see it.

    Attributes:
        corpus: the documents.
        tokens: side -> its tokens.
        alignment: how rows correspond where the tokenizers differ; None where they are proven equal.
    """

    corpus: Corpus
    tokens: dict[str, Tokens]
    alignment: Alignment | None


def read_text(config: CorpusConfig, a: Side, b: Side) -> SharedText:
    """Read and tokenize the corpus for both sides.

    Raises:
        CorpusError: it is missing, empty or too short.
        ModelError: the tokenizers differ and no pooling is declared, or they can't be aligned.
    """
    corpus = read_corpus(config)
    length = max_tokens(config, a.model, b.model)
    tokens = {side.name: read_tokens(corpus, config, side.model, length) for side in (a, b)}
    difference = tokenizer_difference(a.model.tokenizer, b.model.tokenizer, tokens["a"], tokens["b"])
    if difference is None:
        return SharedText(corpus, tokens, None)
    if config.pooling is None:
        raise ModelError(
            f"{a.config.label} and {b.config.label} have different tokenizers ({difference}): to align their "
            "tokens by characters set corpus.pooling to last, max or mean"
        )
    alignment = align_tokens(tokens["a"], tokens["b"])
    logger.info(
        "tokenizers differ (%s): %d units of text, covering %.1f %% of the tokens of a and %.1f %% of b",
        difference,
        len(alignment),
        100 * alignment.coverage_a,
        100 * alignment.coverage_b,
    )
    return SharedText(corpus, tokens, alignment)


def read_corpus(config: CorpusConfig) -> Corpus:
    """The documents that a corpus section names."""
    if config.path is not None:
        return load_corpus(
            config.path,
            documents=config.documents,
            text_column=config.text_column,
            separator=config.separator,
        )
    return load_dataset_corpus(
        str(config.dataset),
        documents=config.documents or DEFAULT_DATASET_DOCUMENTS,
        text_column=config.text_column,
        split=config.split,
        config=config.dataset_config,
    )


def max_tokens(config: CorpusConfig, *models: LanguageModel) -> int:
    """max_tokens, or as much as all models can read, up to DEFAULT_MAX_TOKENS."""
    if config.max_tokens is not None:
        return config.max_tokens
    return min([DEFAULT_MAX_TOKENS, *(model.context for model in models if model.context)])


def read_tokens(corpus: Corpus, config: CorpusConfig, model: LanguageModel, length: int) -> Tokens:
    """A corpus in a model's tokens, masked as its section says."""
    return tokenize(
        corpus,
        model.tokenizer,
        max_tokens=length,
        packed=config.packed,
        mask_padding=config.mask_special,
        mask_special=config.mask_special,
    )
