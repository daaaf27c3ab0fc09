"""Null `document_shift`: activations as they are, but read against the wrong documents of the other side."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy import sparse

from congruence.errors import InputError
from congruence.nulls.registry import Setting, null
from congruence.rng import derive

Pairing = Callable[[Any, Any], Any]
"""``pair(acts_a, acts_b)`` -> a `Matching`, or the two arrays of paired feature numbers."""


@null(
    "document_shift",
    hypothesis="features that fire on unrelated text, paired by the same correlation, score as high",
    needs=("acts", "spaces", "pair"),
    takes=("document_offsets",),
)
def document_shift(
    setting: Setting,
    numbers: range,
    *,
    acts: tuple[Any, Any],
    spaces: tuple[ArrayLike, ArrayLike],
    pair: Pairing,
    document_offsets: ArrayLike | None = None,
) -> Float[np.ndarray, " m"]:
    """Scores of the pairs found when B's token axis is rotated by whole documents.

    A shift is drawn uniformly from all D rotations by documents, the one by none included: with D
    documents there are D, so p can't be below about 1/D however many draws are made. Each is correlated,
    paired and scored once.

    Args:
        setting: the measure and the seed.
        numbers: which draws.
        acts: activations of both sides on the same tokens: scipy CSR or stored.
        spaces: (f, d_a) and (g, d_b) decoder rows of all features.
        pair: the run's correlation, pairing and filters.
        document_offsets: (D + 1,) first token of each document, and n; those of `acts[1]` where it has any.
    """
    acts_a, acts_b = acts
    starts = _starts(acts_b, document_offsets)
    rows_a, rows_b = (np.asarray(space) for space in spaces)

    @cache
    def score(start: int) -> float:
        paired_a, paired_b = _paired_features(pair(acts_a, rotated(acts_b, start)))
        return setting.scorer.score(rows_a[paired_a], rows_b[paired_b])

    return np.array([score(int(derive(setting.seed, "rerun", d).choice(starts))) for d in numbers])


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


def _starts(acts: Any, document_offsets: ArrayLike | None) -> Int[np.ndarray, " documents"]:
    offsets = getattr(acts, "document_offsets", None) if document_offsets is None else document_offsets
    if offsets is None:
        raise InputError(
            "null 'document_shift' needs document_offsets: pass the first token of each document, and n"
        )
    starts = np.asarray(offsets, dtype=np.int64)[:-1]
    if len(starts) < 2:
        raise InputError(f"{len(starts)} document can't be shifted: use a corpus of more documents")
    return starts


def _paired_features(found: Any) -> tuple[np.ndarray, np.ndarray]:
    return (found.feature_a, found.feature_b) if hasattr(found, "feature_a") else found
