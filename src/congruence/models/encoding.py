"""Texts to rows of token ids, one row a document or packed."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.errors import ModelError

_TEXTS_AT_ONCE = 512
_CHARACTERS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Row:
    """One sequence before padding.

    Attributes:
        ids: (m,) token ids.
        special: (m,) whether each is BOS, a separator or another special token.
        document: (m,) document each belongs to.
        spans: (m, 2) characters of its document; None where the tokenizer doesn't tell.
    """

    ids: np.ndarray
    special: np.ndarray
    document: np.ndarray
    spans: np.ndarray | None

    def __getitem__(self, part: slice) -> "Row":
        spans = None if self.spans is None else self.spans[part]
        return Row(self.ids[part], self.special[part], self.document[part], spans)


def padded_rows(texts: Sequence[str], tokenizer: Any, max_tokens: int, prepend_bos: bool | None) -> list[Row]:
    """One row a document, at most `max_tokens` long; documents without a token give none."""
    natural = adds_bos(tokenizer)
    add = bool(prepend_bos) and not natural
    drop = prepend_bos is False and natural
    rows = _encoded(texts, tokenizer, max_length=max_tokens - add + drop, special=True)
    if add:
        rows = (_with_bos(row, _bos(tokenizer)) for row in rows if len(row.ids))
    return [row[int(drop) :] for row in rows if len(row.ids) > drop]


def packed_rows(texts: Sequence[str], tokenizer: Any, max_tokens: int, prepend_bos: bool | None) -> list[Row]:
    """Documents one after another, a separator after each, cut into rows of `max_tokens`."""
    begin = adds_bos(tokenizer) if prepend_bos is None else prepend_bos
    parts = [row for row in _encoded(texts, tokenizer, max_length=None, special=False) if len(row.ids)]
    if not parts:
        return []
    candidates = (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.sep_token_id)
    separator = next((candidate for candidate in candidates if candidate is not None), None)
    if separator is not None:
        parts = [_joined([part, _special(separator, part)]) for part in parts]
    stream = _joined(parts)
    width = max_tokens - begin
    rows = [stream[start : start + width] for start in range(0, len(stream.ids), width)]
    return [_with_bos(row, _bos(tokenizer)) for row in rows] if begin else rows


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer itself starts a text with its BOS token."""
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id


def special_ids(tokenizer: Any) -> np.ndarray:
    """Ids that never stand for text; the unknown token does, unless it has another role too."""
    roles = ("bos", "eos", "pad", "cls", "sep", "mask")
    other = {getattr(tokenizer, f"{role}_token_id", None) for role in roles}
    ids = set(tokenizer.all_special_ids)
    if tokenizer.unk_token_id not in other:
        ids.discard(tokenizer.unk_token_id)
    return np.array(sorted(ids), dtype=np.int64)


def _encoded(texts: Sequence[str], tokenizer: Any, *, max_length: int | None, special: bool) -> Iterator[Row]:
    if tokenizer.truncation_side != "right":
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.truncation_side = "right"
    encode = _Encoder(tokenizer, special_ids(tokenizer), max_length, special)
    for documents in _portions(texts, max_length):
        if max_length is None:
            yield from encode(texts, documents, None)
        else:
            yield from _from_beginnings(encode, texts, documents, max_length)


def _portions(texts: Sequence[str], max_length: int | None) -> Iterator[list[int]]:
    """Documents to tokenize together: some hundreds, or as many as have some millions of characters."""
    portion: list[int] = []
    size = 0
    for index, text in enumerate(texts):
        portion.append(index)
        size += len(text) if max_length is None else min(len(text), _beginning(max_length))
        if len(portion) == _TEXTS_AT_ONCE or size > _CHARACTERS_AT_ONCE:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _from_beginnings(
    encode: "_Encoder", texts: Sequence[str], documents: list[int], max_length: int
) -> list[Row]:
    """The first `max_length` tokens of each document, from no more of its text than they need.

    Beginnings twice as long each time are tokenized, until one gives the same full row as the one before, so
    that where the text was cut has no say in it; a document that ends sooner is taken whole.
    """
    rows: dict[int, Row] = {}
    before: dict[int, Row] = {}
    pending, size = documents, _beginning(max_length)
    while pending:
        for index, row in zip(pending, encode(texts, pending, size), strict=True):
            settled = len(row.ids) >= max_length and index in before and _same(row, before[index])
            if settled or len(texts[index]) <= size:
                rows[index] = row
            before[index] = row
        pending = [index for index in pending if index not in rows]
        size *= 2
    return [rows[index] for index in documents]


def _beginning(max_length: int) -> int:
    """Characters of a document that are tokenized first.

    English has about 4 a token; WordPiece gives up on words of more than some hundred characters, which must
    be seen as such.
    """
    return max(8 * max_length, 4096)


def _same(one: Row, other: Row) -> bool:
    spans = one.spans is None or other.spans is None or np.array_equal(one.spans, other.spans)
    return np.array_equal(one.ids, other.ids) and spans


@dataclass(frozen=True)
class _Encoder:
    """A tokenizer with how it is asked.

    Attributes:
        tokenizer: of transformers.
        never_text: ids of special tokens.
        max_length: tokens a row; None for all.
        special: let the tokenizer add its special tokens.
    """

    tokenizer: Any
    never_text: np.ndarray
    max_length: int | None
    special: bool

    def __call__(self, texts: Sequence[str], documents: list[int], size: int | None) -> list[Row]:
        """Rows of some documents, of their first `size` characters."""
        encoded = self.tokenizer(
            [texts[index][:size] for index in documents],
            add_special_tokens=self.special,
            truncation=self.max_length is not None,
            max_length=self.max_length,
            padding=False,
            return_attention_mask=False,
            return_offsets_mapping=bool(self.tokenizer.is_fast),
            verbose=False,
        )
        offsets = encoded["offset_mapping"] if self.tokenizer.is_fast else [None] * len(documents)
        found = zip(documents, encoded["input_ids"], offsets, strict=True)
        return [self._row(document, ids, spans) for document, ids, spans in found]

    def _row(self, document: int, token_ids: list[int], offsets: list[tuple[int, int]] | None) -> Row:
        ids = np.array(token_ids, dtype=np.int32)
        spans = None if offsets is None else np.array(offsets, dtype=np.int32).reshape(-1, 2)
        return Row(ids, np.isin(ids, self.never_text), np.full(len(ids), document, dtype=np.int32), spans)


def _bos(tokenizer: Any) -> int:
    if tokenizer.bos_token_id is None:
        raise ModelError(f"{type(tokenizer).__name__} has no BOS token: leave prepend_bos out")
    return int(tokenizer.bos_token_id)


def _special(token_id: int, beside: Row) -> Row:
    """A special token that belongs to the document `beside` starts with and covers none of its text."""
    spans = None if beside.spans is None else np.zeros((1, 2), dtype=np.int32)
    return Row(np.array([token_id], dtype=np.int32), np.ones(1, dtype=bool), beside.document[:1], spans)


def _with_bos(row: Row, bos: int) -> Row:
    return _joined([_special(bos, row), row])


def _joined(parts: Sequence[Row]) -> Row:
    spans = [part.spans for part in parts if part.spans is not None]
    return Row(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.special for part in parts]),
        np.concatenate([part.document for part in parts]),
        np.concatenate(spans) if len(spans) == len(parts) else None,
    )
