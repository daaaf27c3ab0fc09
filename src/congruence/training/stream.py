"""Activations to train SAEs on, as batches that depend on their step and the seed only."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import CorpusError
from congruence.models import LanguageModel, Tokens, batch_states
from congruence.rng import derive

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ActivationRounds:
    """Shuffled activations at several hook points, in rounds of about `buffer` tokens.

    An epoch is a random order of the corpus' rows, cut into rounds; the tokens of a round are captured in one
    go and shuffled. Order and shuffle derive from (seed, epoch) and (seed, round), so the batches from a step
    on can be made without those before it: only the round that holds the step is captured again.
    Memory: 4 · buffer · Σ d_in bytes, twice while a round is shuffled.

    Attributes:
        model, tokens: what is run.
        hook_names: where to listen.
        seed: decides the order.
        batch: tokens in a batch; a round's last tokens that don't fill one are left out.
        buffer: tokens of a round, up to a row more or less; an epoch's last round has what is left.
        batch_tokens: positions in one forward pass.
    """

    model: LanguageModel
    tokens: Tokens
    hook_names: tuple[str, ...]
    seed: int
    batch: int
    buffer: int
    batch_tokens: int = 8192

    def __call__(self, first_step: int) -> "Iterator[dict[str, torch.Tensor]]":
        """The batches of step `first_step` (counted from 0) and of those after it, without end.

        Raises:
            CorpusError: the corpus doesn't fill a single batch.
        """
        if self.tokens.n < self.batch:
            raise CorpusError(
                f"the corpus has {self.tokens.n} tokens to train on, less than a batch of {self.batch}: "
                "give more text or lower batch"
            )
        skip = first_step
        for number, rows in enumerate(self._rounds()):
            steps = self._kept(rows) // self.batch
            if skip < steps:
                yield from itertools.islice(self._batches(number, rows), skip, None)
            skip = max(0, skip - steps)

    def _rounds(self) -> Iterator[np.ndarray]:
        """Rows of each round; a rest too small for a round goes with the last one of its epoch."""
        for epoch in itertools.count():
            order = derive(self.seed, "order", epoch).permutation(len(self.tokens.keep))
            ends = np.cumsum(self.tokens.keep[order].sum(axis=1))
            count = max(1, int(ends[-1]) // self.buffer)
            cuts = np.searchsorted(ends, self.buffer * np.arange(1, count), side="left") + 1
            yield from np.split(order, cuts)

    def _kept(self, rows: np.ndarray) -> int:
        return int(self.tokens.keep[rows].sum())

    def _batches(self, number: int, rows: np.ndarray) -> "Iterator[dict[str, torch.Tensor]]":
        import torch

        captured = self._capture(rows)
        order = torch.from_numpy(derive(self.seed, "shuffle", number).permutation(self._kept(rows)))
        for part in order.split(self.batch):
            if len(part) == self.batch:
                yield {name: acts[part] for name, acts in captured.items()}

    def _capture(self, rows: np.ndarray) -> "dict[str, torch.Tensor]":
        import torch

        parts = list(captured_rows(self.model, self.tokens, self.hook_names, rows, self.batch_tokens))
        return {name: torch.cat([part[name] for part in parts]) for name in self.hook_names}


def captured_rows(
    model: LanguageModel,
    tokens: Tokens,
    hook_names: Sequence[str],
    rows: np.ndarray,
    batch_tokens: int,
) -> "Iterator[dict[str, torch.Tensor]]":
    """Float32 activations (n, d_in) of the kept tokens of some rows, one forward pass at a time.

    Rows of like length go together, so that little padding is computed.
    """
    lengths = tokens.attention_mask[rows].sum(axis=1)
    order = np.argsort(lengths, kind="stable")
    for part in _chunks(lengths[order], batch_tokens):
        found = batch_states(model, tokens, rows[order[part]], hook_names)
        yield {name: states.float().cpu() for name, states in found.items()}


def _chunks(lengths: np.ndarray, batch_tokens: int) -> Iterator[slice]:
    """Slices of ascending lengths whose rows × longest stays below `batch_tokens` (at least one row)."""
    start = 0
    while start < len(lengths):
        end = start + 1
        while end < len(lengths) and (end + 1 - start) * lengths[end] <= batch_tokens:
            end += 1
        yield slice(start, end)
        start = end
