"""A text in fixed portions of its rows: what is captured in one go, kept as one file, and read as one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from congruence.models import LanguageModel, Tokens, batch_states
from congruence.progress import Progress, Silent
from congruence.rng import derive
from congruence.storage import content_key
from congruence.training.kept import KeptActivations

if TYPE_CHECKING:
    import torch

LARGEST, TOGETHER = 16_384, 4
"""Tokens of a portion at most, and how many of them are shuffled together at least."""
_FORMAT = 1


@dataclass(frozen=True)
class Portions:
    """The rows of a text, dealt out to portions at random, and the activations of each.

    Which rows make up a portion depends on the text and `size` only: not on a seed, on layers or on what was
    captured before. A row's activations depend in their last bits on the rows that go through the model with
    it, so they are the same whoever asks for them, and whether they were kept or are captured again.

    Attributes:
        model, tokens: what is run.
        size: tokens of a portion, up to a row more or less.
        batch_tokens: positions in one forward pass.
        kept: where activations are kept; None: nowhere.
        progress, task: is told what is captured, under this name.
    """

    model: LanguageModel
    tokens: Tokens
    size: int
    batch_tokens: int = 8192
    kept: KeptActivations | None = None
    progress: Progress = field(default_factory=Silent)
    task: str = "capturing"

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Row numbers of each portion; rows that hold nothing to train on are in none."""
        used = np.flatnonzero(self.tokens.keep.any(axis=1))
        order = used[derive(0, "portions").permutation(len(used))]
        counts = self.tokens.keep[order].sum(axis=1)
        parts = cut(order, counts, self.size, max(1, round(int(counts.sum()) / self.size)))
        return [part for part in parts if len(part)]

    @cached_property
    def counts(self) -> np.ndarray:
        """Tokens of each portion."""
        return np.array([int(self.tokens.keep[rows].sum()) for rows in self.rows], dtype=np.int64)

    def each(self, numbers: Sequence[int], hook_names: Sequence[str]) -> "Iterator[dict[str, torch.Tensor]]":
        """Float32 activations (n, d_in) by hook name, portion after portion: read, or captured and kept.

        What is captured is told to `progress`, as tokens of all these portions.
        """
        done, total, captures = 0, int(self.counts[list(numbers)].sum()), False
        for number in numbers:
            found = self._read(number, hook_names)
            missing = [name for name in hook_names if name not in found]
            if missing:
                captures = True
                found |= self._capture(number, missing, partial(self._tell, done, total))
            done += int(self.counts[number])
            yield {name: found[name].float() for name in hook_names}
        if captures:
            self._tell(0, total, total)

    def _read(self, number: int, hook_names: Sequence[str]) -> "dict[str, torch.Tensor]":
        if self.kept is None:
            return {}
        read = {name: self.kept.read(self._key(name), number) for name in hook_names}
        return {name: acts for name, acts in read.items() if acts is not None}

    def _capture(
        self, number: int, hook_names: Sequence[str], tell: Callable[[int], None]
    ) -> "dict[str, torch.Tensor]":
        import torch

        passes: list[dict[str, torch.Tensor]] = []
        tell(0)
        for found in _passes(self.model, self.tokens, hook_names, self.rows[number], self.batch_tokens):
            passes.append(found)
            tell(sum(len(one[hook_names[0]]) for one in passes))
        captured = {name: torch.cat([one[name] for one in passes]) for name in hook_names}
        if self.kept is not None:
            for name, acts in captured.items():
                self.kept.keep(self._key(name), number, acts)
        return captured

    def _tell(self, before: int, total: int, done: int) -> None:
        self.progress.advance(self.task, before + done, total, "tokens")

    def _key(self, hook_name: str) -> str:
        """A key of everything that decides the activations at a hook point."""
        return content_key(["portions", _FORMAT, self.model.key, self.tokens.key, self.size, hook_name])


def cut(order: np.ndarray, counts: np.ndarray, size: int, number: int) -> list[np.ndarray]:
    """An order of things in so many runs that hold `size` each, up to one thing more; the last has the rest.

    Args:
        order: of things; counts: what each of them holds, in that order.
        size, number: of the runs.
    """
    cuts = np.searchsorted(np.cumsum(counts), size * np.arange(1, number), side="left") + 1
    return np.split(order, cuts)


def portion_size(buffer: int) -> int:
    """Tokens of a portion where `buffer` tokens are shuffled together."""
    return max(1, min(LARGEST, buffer // TOGETHER))


def _passes(
    model: LanguageModel, tokens: Tokens, hook_names: Sequence[str], rows: np.ndarray, batch_tokens: int
) -> "Iterator[dict[str, torch.Tensor]]":
    """Activations of some rows' tokens, one forward pass at a time; rows of like length go together."""
    lengths = tokens.attention_mask[rows].sum(axis=1)
    order = np.argsort(lengths, kind="stable")
    for part in _chunks(lengths[order], batch_tokens):
        found = batch_states(model, tokens, rows[order[part]], hook_names)
        yield {name: states.cpu() for name, states in found.items()}


def _chunks(lengths: np.ndarray, batch_tokens: int) -> Iterator[slice]:
    """Slices of ascending lengths whose rows × longest stays below `batch_tokens` (at least one row)."""
    start = 0
    while start < len(lengths):
        end = start + 1
        while end < len(lengths) and (end + 1 - start) * lengths[end] <= batch_tokens:
            end += 1
        yield slice(start, end)
        start = end
