"""The text of a run as both sides read it: tokens of each, and how their rows correspond."""

import importlib.metadata
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

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
from congruence.storage import Memo

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


def read_text(config: CorpusConfig, a: Side, b: Side, *, memo: Memo | None = None) -> SharedText:
    """Read and tokenize the corpus for both sides.

    Args:
        config: the section.
        a, b: the sides.
        memo: keeps the token ids, so that tokenizers aren't loaded a second time.

    Raises:
        CorpusError: it is missing, empty or too short.
        ModelError: the tokenizers differ and no pooling is declared, or they can't be aligned.
    """
    corpus = read_corpus(config)
    length = max_tokens(config, a.model, b.model)
    memo = memo or Memo()
    tokens = {a.name: read_tokens(corpus, config, a.model, length, memo=memo)}
    same = a.model.key == b.model.key
    tokens[b.name] = tokens[a.name] if same else read_tokens(corpus, config, b.model, length, memo=memo)
    difference = None if same else _difference(a.model, b.model, tokens, memo)
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


def _difference(a: LanguageModel, b: LanguageModel, tokens: Mapping[str, Tokens], memo: Memo) -> str | None:
    """How the tokenizers differ, in words; "" in the memo stands for not at all."""
    of = [a.key, b.key, tokens["a"].key, tokens["b"].key]
    found = memo.value(
        "tokenizers",
        of,
        lambda: tokenizer_difference(a.tokenizer, b.tokenizer, tokens["a"], tokens["b"]) or "",
    )
    return found or None


def read_corpus(config: CorpusConfig) -> Corpus:
    """The documents that a corpus section names."""
    if config.path is not None:
        return load_corpus(
            config.path,
            documents=config.documents,
            text_column=config.text_column,
            separator=config.separator,
            encoding=config.encoding,
            split=config.split,
        )
    return load_dataset_corpus(
        str(config.dataset),
        documents=config.documents or DEFAULT_DATASET_DOCUMENTS,
        text_column=config.text_column,
        split=config.split or "train",
        config=config.dataset_config,
    )


def max_tokens(config: CorpusConfig, *models: LanguageModel) -> int:
    """max_tokens, or as much as all models can read, up to DEFAULT_MAX_TOKENS."""
    if config.max_tokens is not None:
        return config.max_tokens
    return min([DEFAULT_MAX_TOKENS, *(model.context for model in models if model.context)])


def read_tokens(
    corpus: Corpus, config: CorpusConfig, model: LanguageModel, length: int, *, memo: Memo | None = None
) -> Tokens:
    """A corpus in a model's tokens, masked as its section says."""
    return tokens_of(
        corpus, model, memo=memo, max_tokens=length, packed=config.packed, mask_special=config.mask_special
    )


def tokens_of(
    corpus: Corpus,
    model: LanguageModel,
    *,
    max_tokens: int,
    packed: bool = False,
    mask_special: bool = True,
    memo: Memo | None = None,
) -> Tokens:
    """A corpus in a model's tokens; the tokenizer is loaded where the memo doesn't hold them.

    Args:
        corpus: the documents.
        model: whose tokens.
        max_tokens, packed: as in `congruence.models.tokenize`.
        mask_special: leave padding and special tokens out of what counts.
        memo: keeps the token ids under the keys of corpus, model and options.
    """
    options = {
        "max_tokens": max_tokens,
        "packed": packed,
        "mask_padding": mask_special,
        "mask_special": mask_special,
    }
    libraries = [importlib.metadata.version(name) for name in ("tokenizers", "transformers")]
    arrays = (memo or Memo()).arrays(
        "tokens",
        [corpus.key, model.key, options, libraries],
        lambda: _arrays(tokenize(corpus, model.tokenizer, **options)),
    )
    return Tokens(**arrays, texts=corpus.texts)


def _arrays(tokens: Tokens) -> dict[str, np.ndarray]:
    names = ("input_ids", "attention_mask", "keep", "document", "spans")
    return {name: array for name in names if (array := getattr(tokens, name)) is not None}
