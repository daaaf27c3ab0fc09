"""A token in its surroundings, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from congruence.concepts.pieces import BARRIER


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
