"""Activations to train SAEs on, as batches that depend on their step and the seed only."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import CorpusError
from congruence.rng import derive
from congruence.training.portions import Portions, cut

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ActivationRounds:
    """Shuffled activations at several hook points, in rounds of about `buffer` tokens.

    An epoch is a random order of the text's portions, cut into rounds; the tokens of a round are shuffled.
    Order and shuffle derive from (seed, epoch) and (seed, round), so the batches from a step on can be made
    without those before it: only the round that holds the step is read again.
    Memory: 4 · buffer · Σ d_in bytes, twice while a round is put together.

    Attributes:
        portions: of the text.
        hook_names: where to listen.
        seed: decides the order.
        batch: tokens in a batch; a round's last tokens that don't fill one are left out.
        buffer: tokens of a round, up to a portion more or less; an epoch's last round has what is left.
    """

    portions: Portions
    hook_names: tuple[str, ...]
    seed: int
    batch: int
    buffer: int

    def __call__(self, first_step: int) -> "Iterator[dict[str, torch.Tensor]]":
        """The batches of step `first_step` (counted from 0) and of those after it, without end.

        Raises:
            CorpusError: the corpus doesn't fill a single batch.
        """
        if (tokens := int(self.portions.counts.sum())) < self.batch:
            raise CorpusError(
                f"the corpus has {tokens} tokens to train on, less than a batch of {self.batch}: "
                "give more text or lower batch"
            )
        skip = first_step
        for number, together in enumerate(self._rounds()):
            steps = int(self.portions.counts[together].sum()) // self.batch
            if skip < steps:
                yield from itertools.islice(self._batches(number, together), skip, None)
            skip = max(0, skip - steps)

    def _rounds(self) -> Iterator[np.ndarray]:
        """Portions of each round; a rest too small for a round goes with the last one of its epoch."""
        for epoch in itertools.count():
            order = derive(self.seed, "order", epoch).permutation(len(self.portions.counts))
            counts = self.portions.counts[order]
            yield from cut(order, counts, self.buffer, max(1, int(counts.sum()) // self.buffer))

    def _batches(self, number: int, together: np.ndarray) -> "Iterator[dict[str, torch.Tensor]]":
        import torch

        captured = self._captured(together)
        count = int(self.portions.counts[together].sum())
        order = torch.from_numpy(derive(self.seed, "shuffle", number).permutation(count))
        for part in order.split(self.batch):
            if len(part) == self.batch:
                yield {name: acts[part] for name, acts in captured.items()}

    def _captured(self, together: np.ndarray) -> "dict[str, torch.Tensor]":
        import torch

        parts = [*self.portions.each(together.tolist(), self.hook_names)]
        return {name: torch.cat([part[name] for part in parts]) for name in self.hook_names}
