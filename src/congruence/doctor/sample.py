"""A sample of the corpus and the hidden states of a model on it, captured when they are asked for."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from congruence.models import LanguageModel, Tokens, hidden_states
from congruence.models.encoding import special_ids

SINK_FACTOR = 10.0
"""A token whose norm exceeds the median by this factor draws attention and carries no content."""


@dataclass(eq=False)
class Sample:
    """Rows spread over the corpus, special tokens included and told apart.

    Memory: 4 · positions · d bytes for each hook point asked for.

    Attributes:
        model: whose states these are.
        tokens: the sampled rows; every position with a token is kept.
        special: (n,) which kept positions hold BOS or another special token.
        seconds: spent in forward passes.
        positions: positions that went through the model in them.
    """

    model: LanguageModel
    tokens: Tokens
    special: np.ndarray
    seconds: float = 0.0
    positions: int = 0
    _states: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, model: LanguageModel, tokens: Tokens, size: int) -> "Sample":
        """About `size` tokens of a corpus (at least one row)."""
        chosen = rows_with(tokens, size)
        part = replace(
            tokens,
            input_ids=tokens.input_ids[chosen],
            attention_mask=tokens.attention_mask[chosen],
            keep=tokens.attention_mask[chosen],
            document=tokens.document[chosen],
            spans=None,
        )
        return cls(model, part, np.isin(part.token_ids, special_ids(model.tokenizer)))

    def capture(self, hooks: Iterable[str]) -> None:
        """States at several hook points from one pass; those already there aren't computed again."""
        missing = [hook for hook in dict.fromkeys(hooks) if hook not in self._states]
        if not missing:
            return
        started = time.perf_counter()
        batches = list(hidden_states(self.model, self.tokens, missing))
        for hook in missing:
            self._states[hook] = torch.cat([batch[hook].float().cpu() for batch in batches])
        self.seconds += time.perf_counter() - started
        self.positions += self.tokens.input_ids.size

    def states(self, hook: str) -> torch.Tensor:
        """(n, d) float32 states of all positions with a token."""
        self.capture([hook])
        return self._states[hook]

    def ordinary(self, hook: str) -> torch.Tensor:
        """(n,) positions that hold text and aren't attention sinks: what an SAE's fit is judged on."""
        text = torch.from_numpy(~self.special)
        norm = self.states(hook).norm(dim=-1)
        usual = text & ~(norm > SINK_FACTOR * norm[text].median())
        return usual if int(usual.sum()) >= 2 else text


def rows_with(tokens: Tokens, size: int) -> np.ndarray:
    """Rows spread evenly over the corpus that hold about `size` tokens together."""
    lengths = tokens.attention_mask.sum(axis=1)
    count = int(np.clip(np.ceil(size / max(lengths.mean(), 1)), 1, len(lengths)))
    return np.unique(np.linspace(0, len(lengths) - 1, count).astype(np.int64))
