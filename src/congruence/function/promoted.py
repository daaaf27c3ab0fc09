"""The tokens that a feature makes more likely by itself: its largest logit weights."""

import numpy as np
from jaxtyping import Float, Int

from congruence.metrics.blas import one_blas_thread

TOP = 10
_ROWS = 64
_DIGITS = 4
"""Logit weights are ordered by so many digits of a feature's largest one: what differs less is a tie."""


@one_blas_thread()
def promoted(
    rows: Float[np.ndarray, "f d"], unembedded: Float[np.ndarray, "d v"], *, most: int = TOP
) -> tuple[Int[np.ndarray, "f k"], Float[np.ndarray, "f k"]]:
    """The tokens to whose logits each decoder row adds most, beyond what it adds to the mean token.

    Args:
        rows: decoder rows that write into the residual stream.
        unembedded: of the tokens, as `unembedding` gives it.
        most: tokens a feature.

    Returns:
        Columns of `unembedded`, the most promoted first, ties by the lower one, −1 where a feature promotes
        no more tokens; and by how much, 0 there.

    Source: logit weights as a reading of features: Bricken et al. 2023 (Towards Monosemanticity).
    """
    most = min(most, unembedded.shape[1])
    found, weights = np.full((len(rows), most), -1, np.int64), np.zeros((len(rows), most))
    centred = (unembedded - unembedded.mean(axis=1, keepdims=True)).astype(np.float32)
    for start in range(0, len(rows) if most else 0, _ROWS):
        block = rows[start : start + _ROWS].astype(np.float32) @ centred
        least = np.partition(block, -most, axis=1)[:, -most]
        step = block.max(axis=1).astype(np.float64) * 10.0**-_DIGITS
        high = np.where(step > 0, np.maximum(least - step, 0), np.inf)
        row, place = np.nonzero((block > 0) & (block >= high[:, None]))
        told = np.round(block[row, place].astype(np.float64) / step[row])
        order = np.lexsort((place, -told, row))
        row, place, told = row[order], place[order], told[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        row, place, told, rank = (one[rank < most] for one in (row, place, told, rank))
        found[start + row, rank], weights[start + row, rank] = place, told * step[row]
    return found, weights
