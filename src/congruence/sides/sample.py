"""A sample of the corpus and the hidden states of a model on it, captured when they are asked for."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from congruence.models import LanguageModel, Tokens, hidden_states
from congruence.models.encoding import special_ids

if TYPE_CHECKING:
    import torch

SINK_FACTOR = 10.0
"""A token whose norm exceeds the median by this factor draws attention and carries no content."""
BRIEF_SHARE, BRIEF_TOKENS = 150, (64, 512)


@dataclass(eq=False)
class Sample:
    """Rows spread over the corpus, special tokens included and told apart.

    Memory: 4 · positions · d bytes for each hook point asked for.

    Attributes:
        model: whose states these are.
        tokens: the sampled rows; every position with a token is kept.
        seconds: spent in forward passes.
        positions: positions that went through the model in them.
    """

    model: LanguageModel
    tokens: Tokens
    seconds: float = 0.0
    positions: int = 0
    _states: "dict[str, torch.Tensor]" = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, model: LanguageModel, tokens: Tokens, size: int, *, row: int | None = None) -> "Sample":
        """About `size` tokens of a corpus (at least one row); of each row the first `row` positions."""
        lengths = tokens.attention_mask[:, :row].sum(axis=1)
        chosen = rows_with(lengths, size)
        part = replace(
            tokens,
            input_ids=tokens.input_ids[chosen, :row],
            attention_mask=tokens.attention_mask[chosen, :row],
            keep=tokens.attention_mask[chosen, :row],
            document=tokens.document[chosen, :row],
            spans=None,
        )
        return cls(model, part)

    @cached_property
    def special(self) -> np.ndarray:
        """(n,) which kept positions hold BOS or another special token."""
        return np.isin(self.tokens.token_ids, special_ids(self.model.tokenizer))

    def capture(self, hooks: Iterable[str]) -> None:
        """States at several hook points from one pass; those already there aren't computed again."""
        missing = [hook for hook in dict.fromkeys(hooks) if hook not in self._states]
        if not missing:
            return
        import torch

        started = time.perf_counter()
        batches = list(hidden_states(self.model, self.tokens, missing))
        for hook in missing:
            self._states[hook] = torch.cat([batch[hook].float().cpu() for batch in batches])
        self.seconds += time.perf_counter() - started
        self.positions += self.tokens.input_ids.size

    def states(self, hook: str) -> "torch.Tensor":
        """(n, d) float32 states of all positions with a token."""
        self.capture([hook])
        return self._states[hook]

    def ordinary(self, hook: str) -> "torch.Tensor":
        """(n,) positions that hold text and aren't attention sinks: what an SAE's fit is judged on."""
        import torch

        text = torch.from_numpy(~self.special)
        usual = text & ~torch.from_numpy(is_sink(self.states(hook), self.special))
        return usual if int(usual.sum()) >= 2 else text


def is_sink(states: "torch.Tensor", special: np.ndarray) -> np.ndarray:
    """(n,) whether a position's norm is many times the median of text, special tokens among them.

    Args:
        states: (n, d).
        special: (n,) which hold no text; the median is taken without them.
    """
    import torch

    norm = states.norm(dim=-1)
    text = torch.from_numpy(~special)
    if not bool(text.any()):
        return np.zeros(len(norm), dtype=bool)
    return (norm > SINK_FACTOR * norm[text].median()).numpy()


def brief_sample(model: LanguageModel, tokens: Tokens) -> Sample:
    """The beginnings of some rows, few enough that a look at them costs next to nothing beside the capture.

    Some 64 to 512 tokens, a 150th of the text where that lies between, in at least four rows.
    """
    size = int(np.clip(tokens.attention_mask.sum() // BRIEF_SHARE, *BRIEF_TOKENS))
    return Sample.of(model, tokens, size, row=int(np.clip(size // 4, 16, 64)))


def rows_with(lengths: np.ndarray, size: int) -> np.ndarray:
    """Rows spread evenly over the corpus that hold about `size` tokens together."""
    count = int(np.clip(np.ceil(size / max(lengths.mean(), 1)), 1, len(lengths)))
    return np.unique(np.linspace(0, len(lengths) - 1, count).astype(np.int64))
