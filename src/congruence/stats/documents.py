"""Documents as runs of tokens: which are kept, halves, and bootstrap weights."""

import numpy as np
from jaxtyping import Bool, Float

from congruence.errors import InputError
from congruence.rng import derive


def kept_offsets(offsets: np.ndarray | None, mask: np.ndarray | None, n: int) -> np.ndarray | None:
    """Where each document begins among the tokens that `mask` keeps.

    Raises:
        InputError: `offsets` doesn't run from 0 to n without falling.
    """
    if offsets is None:
        return None
    offsets = np.asarray(offsets)
    ordered = offsets.ndim == 1 and len(offsets) > 1 and offsets[0] == 0 and offsets[-1] == n
    if not ordered or (np.diff(offsets) < 0).any():
        raise InputError(
            f"document_offsets has shape {offsets.shape}: give the first row of each document, from 0, and "
            f"{n} at the end"
        )
    if mask is None:
        return offsets.astype(np.int64)
    return np.concatenate([[0], np.cumsum(mask)])[offsets]


def half_masks(
    document_offsets: np.ndarray, *, rng: np.random.Generator
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Two masks of tokens: a random half of the documents, and the other half.

    Args:
        document_offsets: (documents + 1,) first row of each document, and n at the end.

    Raises:
        InputError: there are fewer than two documents.
    """
    first = half_weights(len(document_offsets) - 1, rng=rng)[0] > 0
    mask = np.repeat(first, np.diff(document_offsets))
    return mask, ~mask


def halves_of_documents(
    document_offsets: np.ndarray, seed: int
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """:func:`half_masks` from a seed: the tokens to pair on, and those to take r, co-firings and p from.

    Args:
        document_offsets: (documents + 1,) first row of each document, and n at the end.
        seed: of the run; every cell of a run gets the same halves.

    Raises:
        InputError: there are fewer than two documents.
    """
    return half_masks(document_offsets, rng=derive(seed, "halves_of_documents"))


def half_weights(documents: int, *, rng: np.random.Generator) -> Float[np.ndarray, "2 documents"]:
    """Weights 0 and 1 of the documents in a random half, and in the other half.

    Raises:
        InputError: there are fewer than two documents.
    """
    if documents < 2:
        raise InputError(f"{documents} document can't be halved: give at least two")
    first = np.zeros(documents)
    first[rng.permutation(documents)[: documents // 2]] = 1.0
    return np.stack([first, 1.0 - first])


def bootstrap_weights(
    documents: int, draws: int, *, rng: np.random.Generator
) -> Float[np.ndarray, "draws documents"]:
    """How often each document comes up in each of `draws` samples of as many documents, with replacement."""
    return rng.multinomial(documents, np.full(documents, 1.0 / documents), size=draws).astype(np.float64)
