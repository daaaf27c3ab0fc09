"""Which keywords a tokenizer has as one token, with and without a leading space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from congruence.concepts.keywords import Concept
from congruence.concepts.pieces import piece_strings, token_pieces


@dataclass(frozen=True)
class KeywordTokens:
    """How one keyword is cut into tokens.

    Attributes:
        keyword: as written in the list.
        spaced: its tokens after a space, as in running text.
        bare: its tokens at the start of a line or after a bracket.
    """

    keyword: str
    spaced: tuple[str, ...]
    bare: tuple[str, ...]

    @property
    def one_token_spaced(self) -> bool:
        return len(self.spaced) == 1

    @property
    def one_token_bare(self) -> bool:
        return len(self.bare) == 1


def check_keywords(concept: Concept, tokenizer: Any) -> list[KeywordTokens]:
    """How `tokenizer` cuts each keyword of a concept; a keyword of several tokens is matched by its word.

    Args:
        concept: the keywords.
        tokenizer: of transformers, with a fast backend, or a `tokenizers.Tokenizer`.
    """
    pieces = token_pieces(tokenizer)
    return [
        KeywordTokens(
            keyword,
            _cut(keyword, ("the ",), tokenizer, pieces),
            _cut(keyword, ("\n", "("), tokenizer, pieces),
        )
        for keyword in concept.keywords
    ]


def _cut(keyword: str, prefixes: tuple[str, ...], tokenizer: Any, pieces: Sequence[bytes]) -> tuple[str, ...]:
    """The fewest tokens that the keyword takes after one of the prefixes."""
    cuts = [_cut_after(prefix, keyword, tokenizer, pieces) for prefix in prefixes]
    return min(cuts, key=len)


def _cut_after(prefix: str, keyword: str, tokenizer: Any, pieces: Sequence[bytes]) -> tuple[str, ...]:
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    encoded = backend.encode(prefix + keyword, add_special_tokens=False)
    ids = [index for index, (_, end) in zip(encoded.ids, encoded.offsets, strict=True) if end > len(prefix)]
    return tuple(piece_strings([pieces[index] for index in ids]))
