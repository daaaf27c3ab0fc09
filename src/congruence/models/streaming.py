"""Hidden states of a corpus as a stream, batch by batch."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from congruence.models.language_model import LanguageModel
from congruence.models.tokens import Tokens

if TYPE_CHECKING:
    import torch

BATCH_TOKENS = 4096
LEAST_POSITIONS = 1024
"""Positions that a group of rows of one length holds at least, about."""
WORTH = 0.9
"""Rows are grouped where that leaves at most this share of the positions."""


def hidden_states(
    model: LanguageModel,
    tokens: Tokens,
    hook_names: Sequence[str],
    *,
    batch_tokens: int = BATCH_TOKENS,
    rng: np.random.Generator | None = None,
) -> "Iterator[dict[str, torch.Tensor]]":
    """Hidden states of the kept tokens, once through the corpus.

    Args:
        model: the language model.
        tokens: its corpus.
        hook_names: hook points; all come from one forward pass a batch.
        batch_tokens: positions in one forward pass, padding included.
        rng: takes the rows in random order; None for the order of the corpus.

    Yields:
        (n, d) by hook name for each batch, in the model's dtype and on its device.
    """
    order = np.arange(len(tokens.input_ids)) if rng is None else rng.permutation(len(tokens.input_ids))
    for batch in tokens.batches(batch_tokens):
        found = batch_states(model, tokens, order[batch], hook_names)
        if len(next(iter(found.values()), ())):
            yield found


def batch_states(
    model: LanguageModel, tokens: Tokens, rows: "np.ndarray | slice", hook_names: Sequence[str]
) -> "dict[str, torch.Tensor]":
    """Hidden states of the kept tokens in some rows, row by row: (n, d) by hook name.

    On a CPU, rows of about one length go through the model together where that saves padding.
    """
    import torch

    keep, attention, ids = tokens.keep[rows], tokens.attention_mask[rows], tokens.input_ids[rows]
    used = keep | attention
    lengths = np.where(used.any(axis=1), used.shape[1] - used[:, ::-1].argmax(axis=1), 1)
    groups = _of_one_length(lengths) if model.device.type == "cpu" else [np.arange(len(lengths))]
    starts = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
    out: dict[str, torch.Tensor] = {}
    for group in groups:
        width = int(lengths[group].max(initial=1))
        found = model.capture(
            torch.from_numpy(np.ascontiguousarray(ids[group, :width])).long(),
            torch.from_numpy(np.ascontiguousarray(attention[group, :width])),
            hook_names,
        )
        kept = torch.from_numpy(np.ascontiguousarray(keep[group, :width]))
        if len(groups) == 1:
            return {name: states[kept.to(states.device)] for name, states in found.items()}
        places = torch.from_numpy(np.concatenate([np.arange(starts[row], starts[row + 1]) for row in group]))
        for name, states in found.items():
            if name not in out:
                out[name] = states.new_empty((int(starts[-1]), *states.shape[2:]))
            out[name][places] = states[kept]
    return out


def _of_one_length(lengths: Int[np.ndarray, " rows"]) -> list[Int[np.ndarray, " group"]]:
    """Rows in groups of about one length; in one group, in order, where that saves too little padding."""
    together = [np.arange(len(lengths))]
    size = -(-LEAST_POSITIONS // max(int(lengths.max(initial=1)), 1))
    order = np.argsort(-lengths, kind="stable")
    groups = [order[first : first + size] for first in range(0, len(order), size)]
    padded = sum(len(group) * int(lengths[group].max()) for group in groups)
    return groups if padded < WORTH * len(lengths) * int(lengths.max(initial=1)) else together
