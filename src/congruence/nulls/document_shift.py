"""Null `document_shift`: activations as they are, but read against the wrong documents of the other side."""

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
from congruence.stats import rolled


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


def rotated(acts: Any, start: int) -> Any:
    """Activations whose first row is row `start`, the rows before it moved to the end.

    Matrices stay what they are; of stored activations a prepared layer comes back.
    """
    if sparse.issparse(acts):
        csr = sparse.csr_array(acts)
        return sparse.vstack([csr[start:], csr[:start]], format="csr")
    return np.roll(acts, -start, axis=0) if isinstance(acts, np.ndarray) else rolled(acts, -start)


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
