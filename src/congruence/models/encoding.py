"""Texts to rows of token ids, one row a document or packed."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.errors import ModelError

_TEXTS_AT_ONCE = 512


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
    never_text = special_ids(tokenizer)
    if tokenizer.truncation_side != "right":
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.truncation_side = "right"
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        encoded = tokenizer(
            list(texts[start : start + _TEXTS_AT_ONCE]),
            add_special_tokens=special,
            truncation=max_length is not None,
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
            return_offsets_mapping=bool(tokenizer.is_fast),
            verbose=False,
        )
        for offset, token_ids in enumerate(encoded["input_ids"]):
            ids = np.array(token_ids, dtype=np.int32)
            spans = None
            if tokenizer.is_fast:
                spans = np.array(encoded["offset_mapping"][offset], dtype=np.int32).reshape(-1, 2)
            document = np.full(len(ids), start + offset, dtype=np.int32)
            yield Row(ids, np.isin(ids, never_text), document, spans)


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
