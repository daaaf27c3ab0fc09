"""Hidden states of a corpus as a stream, batch by batch."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from congruence.models.language_model import LanguageModel
from congruence.models.tokens import Tokens

if TYPE_CHECKING:
    import torch

BATCH_TOKENS = 4096


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
    """Hidden states of the kept tokens in some rows, row by row: (n, d) by hook name."""
    import torch

    keep = tokens.keep[rows]
    attention = tokens.attention_mask[rows]
    used = int(np.flatnonzero((keep | attention).any(axis=0)).max(initial=0)) + 1
    ids = torch.from_numpy(np.ascontiguousarray(tokens.input_ids[rows, :used])).long()
    found = model.capture(ids, torch.from_numpy(np.ascontiguousarray(attention[:, :used])), hook_names)
    kept = torch.from_numpy(np.ascontiguousarray(keep[:, :used]))
    return {name: states[kept.to(states.device)] for name, states in found.items()}
