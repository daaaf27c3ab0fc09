"""Token ids as the strings they stand for, for tables and for filters that compare tokens."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any


def token_strings(tokenizer: Any, ids: Iterable[int]) -> list[str]:
    """The text of each token by itself, its leading space included; "" for a negative id.

    Byte-level pieces are turned back into bytes (an incomplete character becomes U+FFFD), SentencePiece's
    ``▁`` into a space, its ``<0x0A>`` into the byte; word-internal WordPiece pieces keep their ``##``.

    Args:
        tokenizer: of a Hugging Face model.
        ids: token ids; -1 where there is no token, as in `TopTokens.token_ids`.
    """
    wanted = [int(token_id) for token_id in ids]
    known = sorted({token_id for token_id in wanted if token_id >= 0})
    pieces = dict(zip(known, tokenizer.convert_ids_to_tokens(known), strict=True))
    added = {i: str(token) for i, token in getattr(tokenizer, "added_tokens_decoder", {}).items()}
    read = _read_bytes if _is_byte_level(tokenizer) else _read_sentencepiece
    texts = {i: added[i] if i in added else read(str(piece or "")) for i, piece in pieces.items()}
    return [texts.get(token_id, "") for token_id in wanted]


def _is_byte_level(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return hasattr(tokenizer, "byte_decoder")
    parts = json.loads(backend.to_str())
    return '"ByteLevel"' in json.dumps([parts.get("decoder"), parts.get("pre_tokenizer")])


def _read_bytes(piece: str) -> str:
    table = _byte_of_character()
    if any(character not in table for character in piece):
        return piece
    return bytes(table[character] for character in piece).decode("utf-8", errors="replace")


def _read_sentencepiece(piece: str) -> str:
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)]).decode("utf-8", errors="replace")
    return piece.replace("\u2581", " ")


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """GPT-2's printable stand-ins: visible Latin-1 bytes stand for themselves, the rest for U+0100 on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    table = {chr(byte): byte for byte in visible}
    return table | {chr(0x100 + position): byte for position, byte in enumerate(hidden)}
