"""The tokens each feature fires on most strongly."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

from typing import Any

import numpy as np
from numba import njit

from congruence.errors import InputError
from congruence.records import TopTokens
from congruence.stats.prepared import PreparedActs
from congruence.stats.sources import open_source


def top_tokens(
    acts: Any, token_ids: np.ndarray, k: int = 5, *, mask: np.ndarray | None = None, fill: bool = False
) -> TopTokens:
    """The `k` tokens of strongest positive activation of every feature, in one pass over the activations.

    Ties go to the earliest token. A feature that fires on fewer than k tokens has fewer: the rest is marked
    by position -1, and not filled with a token on which it is silent unless `fill` asks for it.

    Args:
        acts: (n, f) activations of any kind `correlate` takes.
        token_ids: (n,) the token at each row, rows that `mask` leaves out included.
        k: tokens wanted.
        mask: (n,) bool, the tokens to look at.
        fill: complete short lists with the first tokens on which a feature is silent, at value 0. The code of
            Lan et al. 2024 takes the k largest of all activations, zeros included; which of the zeros
            torch.topk then names it doesn't say, and the first are as good.

    Returns:
        TopTokens; positions are rows of `acts`, not of the masked tokens.

    Raises:
        InputError: `k` isn't positive, or `token_ids` has another length than `acts`.
    """
    if k < 1:
        raise InputError(f"k is {k}: ask for at least one token")
    source = acts.source if isinstance(acts, PreparedActs) else open_source(acts, mask)
    token_ids = np.asarray(token_ids)
    values = np.zeros((source.n_features, k), np.float32)
    at = np.full((source.n_features, k), -1, np.int64)
    last, first_rows = -1, np.empty(0, np.int64)
    for positions, block in source.blocks():
        last = max(last, int(positions[-1]) if len(positions) else -1)
        if fill and len(first_rows) < 2 * k:
            first_rows = np.concatenate([first_rows, positions[: 2 * k - len(first_rows)]])
        indptr = block.indptr.astype(np.int64, copy=False)
        add_top(positions, indptr, block.indices, block.data.astype(np.float32, copy=False), values, at)
    if token_ids.ndim != 1 or len(token_ids) <= last or (mask is None and len(token_ids) < source.n):
        raise InputError(
            f"token_ids has shape {token_ids.shape}, the activations {source.n} tokens: give one id a token"
        )
    if fill:
        _fill(at, first_rows)
    found = at >= 0
    ids = np.where(found, token_ids[np.maximum(at, 0)], -1) if len(token_ids) else at
    return TopTokens(values=values, positions=at, token_ids=ids.astype(np.int64))


def _fill(at: np.ndarray, rows: np.ndarray) -> None:
    """Complete lists of positions (f, k) with the first of `rows` that aren't on them: k of 2k never are.

    A list that is short holds every token on which its feature fires, so that the others are silent.
    """
    k = at.shape[1]
    for feature in np.flatnonzero((at < 0).any(axis=1)):
        own = at[feature][at[feature] >= 0]
        silent = rows[~np.isin(rows, own)][: k - len(own)]
        at[feature, len(own) : len(own) + len(silent)] = silent


@njit(cache=True, nogil=True)
def add_top(positions, indptr, indices, data, values, at):
    """Offer a block's positive activations to the lists kept strongest first, ties to the earliest.

    `values` (f, k) starts as zeros and `at` (f, k) as -1; rows come in ascending order.
    """
    k = values.shape[1]
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            j, x = indices[p], data[p]
            if x <= values[j, k - 1]:
                continue
            place = k - 1
            while place > 0 and x > values[j, place - 1]:
                values[j, place] = values[j, place - 1]
                at[j, place] = at[j, place - 1]
                place -= 1
            values[j, place] = x
            at[j, place] = positions[row]
