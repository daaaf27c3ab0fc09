"""Null `document_shift`: activations as they are, but read against the wrong documents of the other side."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike
from scipy import sparse

from congruence.errors import InputError
from congruence.nulls.base import Case, Null, null
from congruence.records import PairLists
from congruence.rng import derive


@null
@dataclass(frozen=True)
class DocumentShift(Null):
    """The pairs found when B's token axis is rotated by whole documents.

    A shift is drawn uniformly from all D rotations by documents, the one by none included: with D
    documents there are D, so p can't be below about 1/D however many draws are made. Each is correlated and
    paired once.
    """

    name = "document_shift"
    title = "unrelated text"
    hypothesis = "features that fire on unrelated text, paired by the same correlation, score as high"
    in_words = "with one side's documents shifted and the pairing run again"
    needs = ("rows", "starts", "pair_shifted")

    def draw(self, case: Case, numbers: range) -> PairLists:
        """The pairs of one shift for each draw."""
        assert case.starts is not None
        assert case.pair_shifted is not None
        shifts = [int(derive(case.seed, "rerun", d).choice(case.starts)) for d in numbers]
        return PairLists.of([case.pair_shifted(shift) for shift in shifts])


@dataclass(frozen=True)
class Rotated:
    """Stored activations read from token `start` on and then from the beginning."""

    acts: Any
    start: int

    @property
    def shape(self) -> tuple[int, int]:
        """(tokens, features)."""
        return self.acts.shape

    @property
    def document_offsets(self) -> Int[np.ndarray, " documents"]:
        """First token of each document in the new order, and n."""
        offsets, n = np.asarray(self.acts.document_offsets), self.shape[0]
        moved = np.sort((offsets[:-1] - self.start) % n)
        return np.append(moved, n)

    def __iter__(self) -> Iterator[sparse.csr_array]:
        yield from _rows(self.acts, self.start, self.shape[0])
        yield from _rows(self.acts, 0, self.start)


def rotated(acts: Any, start: int) -> Any:
    """Activations whose first row is row `start`, the rows before it moved to the end."""
    if sparse.issparse(acts):
        csr = sparse.csr_array(acts)
        return sparse.vstack([csr[start:], csr[:start]], format="csr")
    if isinstance(acts, np.ndarray):
        return np.roll(acts, -start, axis=0)
    return Rotated(acts, start)


def _rows(acts: Any, low: int, high: int) -> Iterator[sparse.csr_array]:
    first = 0
    for block in acts:
        cut = block[max(low - first, 0) : max(high - first, 0)]
        first += block.shape[0]
        if cut.shape[0]:
            yield cut


def starts_of(acts: Any, document_offsets: ArrayLike | None) -> Int[np.ndarray, " documents"]:
    """First token of each document of a side.

    Raises:
        InputError: nobody says where documents begin, or there is one.
    """
    offsets = getattr(acts, "document_offsets", None) if document_offsets is None else document_offsets
    if offsets is None:
        raise InputError(
            "null 'document_shift' needs document_offsets: pass the first token of each document, and n"
        )
    starts = np.asarray(offsets, dtype=np.int64)[:-1]
    if len(starts) < 2:
        raise InputError(f"{len(starts)} document can't be shifted: use a corpus of more documents")
    return starts
