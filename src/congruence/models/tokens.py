"""Token ids of a corpus in rows of equal length, with what is kept and where each document lies."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from congruence.errors import CorpusError
from congruence.models.corpus import Corpus
from congruence.models.encoding import Row, packed_rows, padded_rows
from congruence.storage import content_key

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Tokens:
    """A tokenized corpus. Kept positions, row by row, are the rows of every activation matrix.

    Attributes:
        input_ids: (rows, length) token ids, padded on the right.
        attention_mask: (rows, length) where there is a token.
        keep: (rows, length) positions whose activations count: no padding, BOS or other special token
            unless asked for.
        document: (rows, length) index of the document a position belongs to.
        spans: (rows, length, 2) first and last + 1 character of each token in its document; None where the
            tokenizer doesn't tell.
        texts: the documents.
    """

    input_ids: Int[np.ndarray, "rows length"]
    attention_mask: Bool[np.ndarray, "rows length"]
    keep: Bool[np.ndarray, "rows length"]
    document: Int[np.ndarray, "rows length"]
    spans: Int[np.ndarray, "rows length 2"] | None = None
    texts: tuple[str, ...] = field(default=(), repr=False)

    @property
    def n(self) -> int:
        """Number of kept tokens."""
        return int(self.keep.sum())

    @property
    def length(self) -> int:
        return self.input_ids.shape[1]

    @cached_property
    def token_ids(self) -> Int[np.ndarray, " n"]:
        """Ids of the kept tokens."""
        return self.input_ids[self.keep]

    @cached_property
    def documents(self) -> Int[np.ndarray, " n"]:
        """Document of each kept token; never decreases."""
        return self.document[self.keep]

    @cached_property
    def document_offsets(self) -> Int[np.ndarray, " offsets"]:
        """First kept token of each document that has one, and n at the end."""
        starts = np.flatnonzero(np.diff(self.documents, prepend=-1))
        return np.append(starts, self.n).astype(np.int64)

    @cached_property
    def kept_spans(self) -> Int[np.ndarray, "n 2"] | None:
        """Character span of each kept token."""
        return None if self.spans is None else self.spans[self.keep]

    @cached_property
    def key(self) -> str:
        """Content key of the ids and masks."""
        return content_key(
            [self.input_ids.shape, self.input_ids, self.attention_mask, self.keep, self.document]
        )

    def batches(self, batch_tokens: int) -> Iterator[slice]:
        """Rows that go through a model together, at most `batch_tokens` positions (at least one row)."""
        step = max(1, batch_tokens // self.length)
        rows = len(self.input_ids)
        return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def tokenize(
    corpus: Corpus,
    tokenizer: Any,
    *,
    max_tokens: int,
    packed: bool = False,
    prepend_bos: bool | None = None,
    mask_padding: bool = True,
    mask_special: bool = True,
) -> Tokens:
    """Token ids of a corpus: one row a document, cut at `max_tokens`, or packed rows.

    Packed rows hold `max_tokens` tokens each: documents follow one another with the tokenizer's end (or
    begin) token between them, and only the last row is padded.

    Args:
        corpus: the documents.
        tokenizer: of a Hugging Face model.
        max_tokens: length of a row, special tokens included.
        packed: fill rows across documents.
        prepend_bos: start each row with the tokenizer's BOS token; None for what the tokenizer does itself.
        mask_padding, mask_special: leave padding, and BOS and other special tokens, out of `keep`. The
            published variant (False) counts them as tokens.

    Raises:
        CorpusError: fewer than two tokens are kept.
    """
    if max_tokens < 2:
        raise CorpusError(f"max_tokens is {max_tokens}: a row needs at least 2")
    to_rows = packed_rows if packed else padded_rows
    rows = to_rows(corpus.texts, tokenizer, max_tokens, prepend_bos)
    tokens = _stacked(rows, tokenizer, corpus.texts, mask_padding, mask_special)
    if tokens.n < 2:
        raise CorpusError(
            f"corpus {corpus.name!r} gives {tokens.n} token(s) in {len(corpus)} document(s): "
            "at least 2 are needed to correlate anything"
        )
    log.info("tokenized %s: %d rows, %d tokens kept", corpus.name, len(tokens.input_ids), tokens.n)
    return tokens


def _stacked(
    rows: list[Row], tokenizer: Any, texts: tuple[str, ...], mask_padding: bool, mask_special: bool
) -> Tokens:
    """Rows as padded arrays; padding counts to the row's last document."""
    lengths = np.array([len(row.ids) for row in rows], dtype=np.int64)
    shape = (len(rows), int(lengths.max(initial=0)))
    attention = np.arange(shape[1]) < lengths[:, None]
    ids = np.full(shape, _padding_id(tokenizer), dtype=np.int32)
    ids[attention] = _joined([row.ids for row in rows], np.int32)
    special = np.zeros(shape, dtype=bool)
    special[attention] = _joined([row.special for row in rows], bool)
    document = np.repeat(np.array([row.document[-1] for row in rows], dtype=np.int32), shape[1]).reshape(
        shape
    )
    document[attention] = _joined([row.document for row in rows], np.int32)
    spans = None
    if rows and all(row.spans is not None for row in rows):
        spans = np.zeros((*shape, 2), dtype=np.int32)
        spans[attention] = np.concatenate([row.spans for row in rows if row.spans is not None])
    keep = (attention | (not mask_padding)) & ~(special & mask_special)
    return Tokens(ids, attention, keep, document, spans, texts)


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _padding_id(tokenizer: Any) -> int:
    candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return next(candidate for candidate in candidates if candidate is not None)
