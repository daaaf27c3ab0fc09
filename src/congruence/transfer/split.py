"""Documents that fit maps, documents that judge them, and the shift that breaks their pairing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from congruence.errors import InputError
from congruence.rng import derive
from congruence.stats.documents import halves_of_documents

FEWEST_DOCUMENTS = 4
"""Two in each half: one alone can't be shifted."""


@dataclass(frozen=True, eq=False)
class Split:
    """Tokens by what they are for.

    Attributes:
        fit, held: (n,) masks of half of the documents, and of the others.
        judged: (m,) rows of the held-out documents that go through SAEs.
        shift: by how many rows one side of the fitted half is moved for a null: some of its documents.
    """

    fit: np.ndarray
    held: np.ndarray
    judged: np.ndarray
    shift: int

    @classmethod
    def of(
        cls, document_offsets: Sequence[int] | np.ndarray, seed: int, *, judged: int | None = None
    ) -> "Split":
        """A split by whole documents.

        Args:
            document_offsets: (documents + 1,) first token of each document, and n at the end.
            seed: of halves and shift.
            judged: about how many held-out tokens to judge by; None for all.

        Raises:
            InputError: there are fewer than four documents.
        """
        offsets = np.asarray(document_offsets, dtype=np.int64)
        if len(offsets) - 1 < FEWEST_DOCUMENTS:
            raise InputError(
                f"{max(len(offsets) - 1, 0)} documents can't fit maps and judge them: give at least "
                f"{FEWEST_DOCUMENTS}"
            )
        fit, held = halves_of_documents(offsets, seed)
        return cls(fit, held, _rows(offsets, held, judged), _shift(offsets, fit, seed))


def _rows(offsets: np.ndarray, held: np.ndarray, most: int | None) -> np.ndarray:
    """Rows of held-out documents, spread evenly, that hold about `most` tokens together."""
    lengths = np.diff(offsets)
    documents = np.flatnonzero(np.add.reduceat(held.astype(np.int64), offsets[:-1]) * (lengths > 0))
    if most is not None:
        count = int(np.clip(np.ceil(most / lengths[documents].mean()), 1, len(documents)))
        documents = documents[np.unique(np.linspace(0, len(documents) - 1, count).astype(np.int64))]
    return np.concatenate([np.arange(offsets[d], offsets[d + 1]) for d in documents])


def _shift(offsets: np.ndarray, fit: np.ndarray, seed: int) -> int:
    lengths = np.add.reduceat(fit.astype(np.int64), offsets[:-1])
    starts = np.cumsum(lengths[lengths > 0])[:-1]
    return int(derive(seed, "shift").choice(starts))
