"""Hidden states of a corpus as a stream: in corpus order, or mixed for training SAEs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from congruence.errors import InputError
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


@overload
def mixed_batches(
    model: LanguageModel,
    tokens: Tokens,
    hook_names: str,
    *,
    batch: int,
    buffer: int,
    rng: np.random.Generator,
    batch_tokens: int = BATCH_TOKENS,
) -> "Iterator[torch.Tensor]": ...
@overload
def mixed_batches(
    model: LanguageModel,
    tokens: Tokens,
    hook_names: list[str] | tuple[str, ...],
    *,
    batch: int,
    buffer: int,
    rng: np.random.Generator,
    batch_tokens: int = BATCH_TOKENS,
) -> "Iterator[dict[str, torch.Tensor]]": ...
def mixed_batches(
    model: LanguageModel,
    tokens: Tokens,
    hook_names: str | list[str] | tuple[str, ...],
    *,
    batch: int,
    buffer: int,
    rng: np.random.Generator,
    batch_tokens: int = BATCH_TOKENS,
) -> "Iterator[Any]":
    """Batches of hidden states in mixed order, without end: the corpus starts anew when it is through.

    A buffer is filled, shuffled, and its first half given out before it is filled up again, so that a
    batch holds tokens from many places. Memory: buffer × d values for each hook point.

    Args:
        model: the language model.
        tokens: its corpus.
        hook_names: one hook point, or several that share every forward pass and every shuffle.
        batch: tokens in a batch.
        buffer: tokens held at a time; at least 2 × `batch`.
        rng: order of the rows in each pass, and the shuffles.
        batch_tokens: positions in one forward pass.

    Yields:
        (batch, d) for one hook point; such tensors by hook name for several.

    Raises:
        InputError: `buffer` is smaller than 2 × `batch`.
    """
    if buffer < 2 * batch:
        raise InputError(f"buffer is {buffer}: it must hold at least two batches of {batch} tokens")
    names = [hook_names] if isinstance(hook_names, str) else list(hook_names)
    endless = _endless(model, tokens, names, batch_tokens, rng)
    for states in _mixed(endless, batch, buffer, rng):
        yield states[hook_names] if isinstance(hook_names, str) else states


def _endless(
    model: LanguageModel, tokens: Tokens, names: list[str], batch_tokens: int, rng: np.random.Generator
) -> "Iterator[dict[str, torch.Tensor]]":
    while True:
        yield from hidden_states(model, tokens, names, batch_tokens=batch_tokens, rng=rng)


def _mixed(
    source: "Iterator[dict[str, torch.Tensor]]", batch: int, buffer: int, rng: np.random.Generator
) -> "Iterator[dict[str, torch.Tensor]]":
    held: dict[str, torch.Tensor] = {}
    while True:
        held = _shuffled(_filled(held, source, buffer), rng)
        size = len(next(iter(held.values())))
        given = max(batch, size // 2 // batch * batch)
        for start in range(0, given, batch):
            yield {name: states[start : start + batch] for name, states in held.items()}
        held = {name: states[given:] for name, states in held.items()}


def _filled(
    held: "dict[str, torch.Tensor]", source: "Iterator[dict[str, torch.Tensor]]", buffer: int
) -> "dict[str, torch.Tensor]":
    import torch

    parts = [held] if held else []
    size = len(next(iter(held.values()))) if held else 0
    while size < buffer:
        parts.append(next(source))
        size += len(next(iter(parts[-1].values())))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _shuffled(held: "dict[str, torch.Tensor]", rng: np.random.Generator) -> "dict[str, torch.Tensor]":
    import torch

    size = len(next(iter(held.values())))
    order = torch.from_numpy(rng.permutation(size))
    return {name: states[order.to(states.device)] for name, states in held.items()}
