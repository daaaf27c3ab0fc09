"""What each token stands for in the text, byte for byte, whatever the dialect; and its surroundings."""

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from congruence.errors import InputError

BARRIER = b"\x00"
"""Stands for a special token: no letter, so no word reaches over it."""

_BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def token_pieces(tokenizer: Any) -> list[bytes]:
    """The bytes that each token id adds to the text, leading space included.

    Byte-level BPE ("Ġking"), SentencePiece ("▁king", "<0x0A>"), WordPiece ("##ing"), end-of-word BPE
    ("king</w>") and plain words are told apart by the tokenizer's own decoder, or by how its tokens look
    where it has none. Special tokens, and ids without a token, give :data:`BARRIER`.

    Args:
        tokenizer: of transformers, or a `tokenizers.Tokenizer`.

    Raises:
        InputError: it can't list its vocabulary.
    """
    tokens = _vocabulary(tokenizer)
    dialect, mark = _dialect(tokenizer, tokens)
    literal = {**_added(tokenizer), **dict.fromkeys(_special_ids(tokenizer), BARRIER)}
    return [
        literal[index] if index in literal else BARRIER if token is None else _piece(token, dialect, mark)
        for index, token in enumerate(tokens)
    ]


def piece_strings(pieces: Sequence[bytes]) -> list[str]:
    """The pieces as text, leading space and all; a piece of a character becomes U+FFFD.

    >>> piece_strings([b" king", b"\\xe2\\x80"])
    [' king', '\\ufffd']
    """
    return [piece.decode("utf-8", errors="replace") for piece in pieces]


@dataclass(frozen=True)
class Context:
    """A token with the text before and after it in its document."""

    before: str
    token: str
    after: str

    def __str__(self) -> str:
        return f"{self.before}«{self.token}»{self.after}"


def context(
    row: int,
    token_ids: Int[np.ndarray, "n"],
    document_offsets: Int[np.ndarray, "documents_plus_1"],
    pieces: Sequence[bytes],
    *,
    width: int = 10,
) -> Context:
    """The token at `row` with up to `width` tokens of its document on either side."""
    document = int(np.searchsorted(document_offsets, row, side="right")) - 1
    first = max(int(document_offsets[document]), row - width)
    last = min(int(document_offsets[document + 1]), row + width + 1)
    return Context(
        _text(token_ids[first:row], pieces),
        _text(token_ids[row : row + 1], pieces),
        _text(token_ids[row + 1 : last], pieces),
    )


def _text(ids: np.ndarray, pieces: Sequence[bytes]) -> str:
    raw = b"".join(pieces[index] for index in ids if pieces[index] != BARRIER)
    return raw.decode("utf-8", errors="replace")


def _vocabulary(tokenizer: Any) -> list[str | None]:
    get_vocab = getattr(tokenizer, "get_vocab", None)
    if get_vocab is None:
        raise InputError(f"{type(tokenizer).__name__} has no get_vocab(): pass a tokenizer of transformers")
    tokens: list[str | None] = [None] * (1 + max(get_vocab().values(), default=-1))
    for token, index in get_vocab().items():
        tokens[index] = token
    return tokens


def _piece(token: str, dialect: str, mark: str) -> bytes:
    if dialect == "byte_level":
        table = _byte_level_table()
        return bytes(table[c] for c in token) if all(c in table for c in token) else token.encode()
    if dialect == "sentencepiece":
        fallback = _BYTE_FALLBACK.fullmatch(token)
        return bytes([int(fallback[1], 16)]) if fallback else token.replace(mark, " ").encode()
    if dialect == "wordpiece":
        return (token[len(mark) :] if token.startswith(mark) else " " + token).encode()
    if dialect == "end_of_word":
        return (token[: -len(mark)] + " " if token.endswith(mark) else token).encode()
    return (" " + token).encode()


@functools.cache
def _byte_level_table() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes stand for themselves, the others for U+0100 onward."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + rank): b for rank, b in enumerate(others)}


def _dialect(tokenizer: Any, tokens: Sequence[str | None]) -> tuple[str, str]:
    for part in _walk(_backend_state(tokenizer).get("decoder")):
        kind = part.get("type")
        if kind == "ByteLevel":
            return "byte_level", ""
        if kind == "WordPiece":
            return "wordpiece", part.get("prefix", "##")
        if kind == "Metaspace":
            return "sentencepiece", part.get("replacement", "▁")
        if kind == "Replace" and part.get("content") == " ":
            return "sentencepiece", part.get("pattern", {}).get("String", "▁")
        if kind == "BPEDecoder":
            return "end_of_word", part.get("suffix", "</w>")
    return _dialect_by_looks(tokens)


def _dialect_by_looks(tokens: Sequence[str | None]) -> tuple[str, str]:
    found = [token for token in tokens if token]
    marks = {
        "Ġ": sum(token.startswith("Ġ") for token in found),
        "▁": sum(token.startswith("▁") for token in found),
        "##": sum(token.startswith("##") and len(token) > 2 for token in found),
        "</w>": sum(token.endswith("</w>") for token in found),
    }
    mark = max(marks, key=lambda name: marks[name])
    if marks[mark] < max(2, len(found) // 1000):
        return "words", ""
    kinds = {"Ġ": "byte_level", "▁": "sentencepiece", "##": "wordpiece", "</w>": "end_of_word"}
    return kinds[mark], mark


def _walk(part: Any) -> list[dict[str, Any]]:
    """A decoder and those nested in it, in order."""
    if not isinstance(part, dict):
        return []
    return [part, *(inner for child in part.get("decoders", ()) for inner in _walk(child))]


def _backend_state(tokenizer: Any) -> dict[str, Any]:
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    to_str = getattr(backend, "to_str", None)
    return json.loads(to_str()) if to_str is not None else {}


def _added(tokenizer: Any) -> dict[int, bytes]:
    """Tokens added to the vocabulary: they stand for themselves, letter by letter."""
    get = getattr(tokenizer, "get_added_tokens_decoder", None)
    added = get() if get is not None else getattr(tokenizer, "added_tokens_decoder", {})
    return {
        int(index): BARRIER
        if getattr(token, "special", False)
        else str(getattr(token, "content", token)).encode()
        for index, token in added.items()
    }


def _special_ids(tokenizer: Any) -> list[int]:
    return [int(index) for index in getattr(tokenizer, "all_special_ids", ())]
