"""The text of a run as both sides read it: tokens of each, and how their rows correspond."""

import importlib.metadata
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

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
from congruence.models.encoding import adds_bos
from congruence.models.tokenizer_equality import tokenizer_difference
from congruence.sides.positions import begins_with_bos, leading_sinks, stated_record, without_leading
from congruence.sides.sample import Sample, brief_sample
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
        begins: side -> whether its rows begin with BOS; None for what its tokenizer does.
        positions: which positions were left out and why, for the record.
        samples: side -> a few of its rows, all positions of them; the same object where the text is.
    """

    corpus: Corpus
    tokens: dict[str, Tokens]
    alignment: Alignment | None
    begins: Mapping[str, bool | None] = field(default_factory=dict)
    positions: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict, repr=False)


def read_text(
    config: CorpusConfig,
    a: Side,
    b: Side,
    *,
    memo: Memo | None = None,
    trained_with_bos: bool | None = None,
) -> SharedText:
    """Read and tokenize the corpus for both sides.

    Args:
        config: the section.
        a, b: the sides.
        memo: keeps the token ids, so that tokenizers aren't loaded a second time.
        trained_with_bos: what a crosscoder of both sides says of itself.

    Raises:
        CorpusError: it is missing, empty or too short.
        ModelError: the tokenizers differ and no pooling is declared, or they can't be aligned.
    """
    corpus, memo = read_corpus(config), memo or Memo()
    sides = {a.name: a, b.name: b}
    begins = {name: begins_with_bos(config, side, memo, trained_with_bos) for name, side in sides.items()}
    tokens = _read(corpus, config, sides, begins, memo)
    tokens, positions, samples = _counted(config, sides, tokens, begins, memo)
    alike = tokens[a.name] is tokens[b.name]
    difference = None if alike else _difference(a.model, b.model, tokens, memo)
    if difference is None:
        return SharedText(corpus, tokens, None, begins, positions, samples)
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
    return SharedText(corpus, tokens, alignment, begins, positions, samples)


def settled_for_all(
    config: CorpusConfig, sides: Mapping[str, Side], *, memo: Memo | None = None
) -> dict[tuple[str, str], CorpusConfig]:
    """The section for every two of several sides, such that each side reads the same text in all of them.

    What depends on the company that a side is in is settled for all: how many tokens a row has, and how many
    leading ones are left out. It is written into the sections, so that any pair can be repeated alone.

    Args:
        config: the section.
        sides: by the user's names.
        memo: keeps what is found out about the text.

    Returns:
        Names of two sides -> the section of their comparison.

    Raises:
        CorpusError, ConfigError: as `read_text`.
    """
    corpus, memo = read_corpus(config), memo or Memo()
    begins = {name: begins_with_bos(config, side, memo) for name, side in sides.items()}
    lengths = _lengths(config, sides, begins, memo)
    skipped = config.skip_first
    if config.sinks == "mask":
        tokens = _read(corpus, config, sides, begins, memo)
        for name, side in sides.items():
            sample = brief_sample(side.model, tokens[name])
            skipped = max(skipped, leading_sinks(side, tokens[name], sample, memo))
            side.let_go()
    return {
        (x, y): config.model_copy(update={"max_tokens": max(lengths[x], lengths[y]), "skip_first": skipped})
        for x, y in combinations(sides, 2)
    }


def _read(
    corpus: Corpus,
    config: CorpusConfig,
    sides: Mapping[str, Side],
    begins: Mapping[str, bool | None],
    memo: Memo,
) -> dict[str, Tokens]:
    """The corpus in the tokens of each side, the same object where it is the same text."""
    lengths = _lengths(config, sides, begins, memo)
    tokens: dict[str, Tokens] = {}
    for name, side in sides.items():
        same = [n for n in tokens if (sides[n].model.key, begins[n]) == (side.model.key, begins[name])]
        tokens[name] = (
            tokens[same[0]]
            if same
            else read_tokens(corpus, config, side.model, lengths[name], prepend_bos=begins[name], memo=memo)
        )
    return tokens


def _lengths(
    config: CorpusConfig, sides: Mapping[str, Side], begins: Mapping[str, bool | None], memo: Memo
) -> dict[str, int]:
    """Tokens of a row on each side: as many of text on a side without BOS as on one that has it."""
    length = max_tokens(config, *(side.model for side in sides.values()))
    if len(set(begins.values())) == 1:
        return dict.fromkeys(sides, length)
    has = {name: _has_bos(side.model, begins[name], memo) for name, side in sides.items()}
    return {name: length - (any(has.values()) and not has[name]) for name in sides}


def _has_bos(model: LanguageModel, asked: bool | None, memo: Memo) -> bool:
    return memo.value("adds-bos", model.key, lambda: adds_bos(model.tokenizer)) if asked is None else asked


def _counted(
    config: CorpusConfig,
    sides: Mapping[str, Side],
    tokens: dict[str, Tokens],
    begins: Mapping[str, bool | None],
    memo: Memo,
) -> tuple[dict[str, Tokens], dict[str, Any], dict[str, Sample]]:
    """Tokens without the leading ones that don't count, what that was, and samples of both texts.

    As many are left out on both sides, so that rows still correspond.
    """
    shared: dict[tuple[int, int], Sample] = {}
    samples: dict[str, Sample] = {}
    for name, side in sides.items():
        same = (id(side.model), id(tokens[name]))
        samples[name] = shared.setdefault(same, brief_sample(side.model, tokens[name]))
    sinks = {
        name: leading_sinks(side, tokens[name], samples[name], memo) if config.sinks == "mask" else 0
        for name, side in sides.items()
    }
    skipped = max(config.skip_first, *sinks.values())
    if skipped > config.skip_first:
        logger.info("the first %d token(s) of each row are attention sinks and left out: %s", skipped, sinks)
    why = "skip_first" if skipped == config.skip_first else "sinks: mask"
    made = {id(one): without_leading(one, skipped, why) for one in tokens.values()}
    counted = {name: made[id(one)] for name, one in tokens.items()}
    return counted, stated_record(begins, skipped, sinks), samples


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
            skip=config.skip_documents,
            text_column=config.text_column,
            separator=config.separator,
            encoding=config.encoding,
            split=config.split,
        )
    return load_dataset_corpus(
        str(config.dataset),
        documents=config.documents or DEFAULT_DATASET_DOCUMENTS,
        skip=config.skip_documents,
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
    corpus: Corpus,
    config: CorpusConfig,
    model: LanguageModel,
    length: int,
    *,
    prepend_bos: bool | None = None,
    memo: Memo | None = None,
) -> Tokens:
    """A corpus in a model's tokens, masked as its section says; leading tokens of text are all there."""
    return tokens_of(
        corpus,
        model,
        memo=memo,
        max_tokens=length,
        packed=config.packed,
        mask_special=config.mask_special,
        prepend_bos=prepend_bos,
    )


def tokens_of(
    corpus: Corpus,
    model: LanguageModel,
    *,
    max_tokens: int,
    packed: bool = False,
    mask_special: bool = True,
    prepend_bos: bool | None = None,
    memo: Memo | None = None,
) -> Tokens:
    """A corpus in a model's tokens; the tokenizer is loaded where the memo doesn't hold them.

    Args:
        corpus: the documents.
        model: whose tokens.
        max_tokens, packed: as in `congruence.models.tokenize`.
        mask_special: leave padding and special tokens out of what counts.
        prepend_bos: as in `congruence.models.tokenize`.
        memo: keeps the token ids under the keys of corpus, model and options.
    """
    options = {
        "max_tokens": max_tokens,
        "packed": packed,
        "mask_padding": mask_special,
        "mask_special": mask_special,
        **({} if prepend_bos is None else {"prepend_bos": prepend_bos}),
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
