"""A model that goes on from other states than its own: what that costs in next-token loss."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int

from congruence.errors import InputError
from congruence.models import LanguageModel, Tokens
from congruence.models.edits import logits_at


@dataclass(frozen=True, eq=False)
class Stitched:
    """A model with some places at which its states can be replaced.

    The loss is that of the tokens which follow those places, over all of them that have a next token in their
    document. What isn't among the places, as BOS, keeps the model's own states.

    Attributes:
        model: with a language head.
        tokens: its text.
        hook_name: where states are replaced.
        at: (n,) the places, as numbers of kept tokens.
        batch_tokens: positions in one forward pass, padding included.
    """

    model: LanguageModel
    tokens: Tokens
    hook_name: str
    at: Int[np.ndarray, " n"]
    batch_tokens: int = 8192

    @property
    def predictions(self) -> int:
        """Next tokens that the loss is over."""
        return int((self._next >= 0).sum())

    def loss(self, states: Float[np.ndarray, "n d"] | None = None) -> float:
        """Mean next-token loss, in nats.

        Args:
            states: to put at the places, one a place; None for the model's own.

        Raises:
            InputError: there isn't a state a place, or no place has a next token.
            ModelError: the model has no head, or its hook point passes on something else.
        """
        if states is not None and len(states) != len(self.at):
            raise InputError(f"{len(states)} states for {len(self.at)} places: give one a place")
        if not self.predictions:
            raise InputError("no place has a next token in its document: give longer documents")
        row, column = self._where
        total = 0.0
        rows = np.unique(row)
        step = max(1, self.batch_tokens // self.tokens.length)
        for start in range(0, len(rows), step):
            mine = rows[start : start + step]
            here = np.flatnonzero(np.isin(row, mine))
            batch = np.searchsorted(mine, row[here])
            total += self._batch(mine, here, batch, column[here], states)
        return total / self.predictions

    def _batch(
        self,
        rows: np.ndarray,
        here: np.ndarray,
        batch: np.ndarray,
        column: np.ndarray,
        states: np.ndarray | None,
    ) -> float:
        used = int(np.flatnonzero(self.tokens.attention_mask[rows].any(axis=0)).max(initial=0)) + 1
        ids = torch.from_numpy(self.tokens.input_ids[rows, :used].astype(np.int64))
        mask = torch.from_numpy(self.tokens.attention_mask[rows, :used])
        told = self._next[here] >= 0
        at = torch.from_numpy(batch), torch.from_numpy(column)

        def edit(whole: torch.Tensor) -> torch.Tensor:
            new = whole.clone()
            given = torch.from_numpy(np.asarray(states)[here].astype(np.float32))
            new[at[0].to(whole.device), at[1].to(whole.device)] = given.to(whole.device, whole.dtype)
            return new

        logits = logits_at(
            self.model, ids, mask, at[0][torch.from_numpy(told)], at[1][torch.from_numpy(told)],
            hook_name=self.hook_name, edit=None if states is None else edit,
        )  # fmt: skip
        wanted = torch.from_numpy(self._next[here][told]).to(logits.device)
        loss = torch.nn.functional.cross_entropy(logits.double(), wanted, reduction="sum")
        return float(loss)

    @cached_property
    def _where(self) -> tuple[np.ndarray, np.ndarray]:
        row, column = np.nonzero(self.tokens.keep)
        return row[self.at], column[self.at]

    @cached_property
    def _next(self) -> np.ndarray:
        """(n,) id of the token after each place; −1 where its document ends."""
        return next_tokens(self.tokens)[self._where]


def next_tokens(tokens: Tokens) -> Int[np.ndarray, "rows length"]:
    """Id of the token after each position of the text; −1 where its document ends."""
    found = np.full(tokens.input_ids.shape, -1, dtype=np.int64)
    same = tokens.document[:, 1:] == tokens.document[:, :-1]
    there = tokens.attention_mask[:, 1:].astype(bool) & tokens.attention_mask[:, :-1].astype(bool) & same
    found[:, :-1] = np.where(there, tokens.input_ids[:, 1:], -1)
    return found


def loss_recovered(loss: float, *, native: float, ablated: float) -> float:
    """(ablated − loss) / (ablated − native): 1 the model itself, 0 no better than ablated.

    NaN where ablation doesn't raise the loss, so that there is nothing to recover.

    Source: loss recovered of SAEs: Bricken et al. 2023; `ce_loss_score` of SAELens and SAEBench.
    """
    return (ablated - loss) / (ablated - native) if ablated > native else float("nan")
