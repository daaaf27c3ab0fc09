"""Hidden states of both sides at the same places of some of the text, on disk a layer at a time."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from congruence.activations import ActivationStore, capture_together
from congruence.activations.pooling import Pooling, pool_states
from congruence.config.run import RunConfig
from congruence.errors import ConfigError
from congruence.models import Alignment, Tokens, align_tokens
from congruence.progress import Progress
from congruence.sides.corpus import SharedText
from congruence.sides.side import Side
from congruence.sides.variants import Variant
from congruence.storage import content_key


class PairedStates:
    """Hidden states of whole documents, spread over the corpus, where the run's features are read.

    They are captured like features, in shards under content keys: 4 n d bytes a layer on disk. Where the
    tokenizers differ a row is a unit of text; its state is that of its last token, or the mean of its tokens'
    where features are pooled by their mean.

    Args:
        sides: side name -> side.
        variants: side name -> its model and hooks.
        text: the corpus as both see it.
        config: the run's configuration.
        folder: where activations are kept.
        tokens: about how many tokens of each side to read.
        fewest: documents that there must be.

    Raises:
        ConfigError: fewer documents hold text that both sides count.
    """

    def __init__(
        self,
        sides: Mapping[str, Side],
        variants: Mapping[str, Variant],
        text: SharedText,
        config: RunConfig,
        folder: Path,
        *,
        tokens: int,
        fewest: int,
    ) -> None:
        self.sides, self.variants, self.config, self.folder = sides, variants, config, folder
        documents = spread_documents(text, tokens)
        if len(documents) < fewest:
            raise ConfigError(
                f"function: the text has {len(documents)} documents that both models read; at least {fewest} "
                "are needed to fit maps on some and judge them on others: read more (corpus.documents)"
            )
        self.tokens = of_documents(text.tokens, documents)
        self.alignment: Alignment | None = None
        if text.alignment is not None:
            self.alignment = align_tokens(self.tokens["a"], self.tokens["b"])
        self._stores: dict[tuple[str, int], ActivationStore] = {}

    @property
    def document_offsets(self) -> np.ndarray:
        """First shared row of each document, and their number at the end."""
        if self.alignment is not None:
            return self.alignment.document_offsets
        return self.tokens["a"].document_offsets

    def capture(self, progress: Progress) -> None:
        """Make sure that the states of every layer are on disk; finished shards are not repeated."""
        for name, side in self.sides.items():
            variant, label = self.variants[name], f"capture states of {side.config.label}"
            hooks = dict.fromkeys(variant.hooks[layer] for layer in side.layers)
            (stores,) = capture_together(
                variant.model,
                self.tokens[name],
                [dict.fromkeys(hooks)],
                self.folder,
                batch_tokens=self.config.batch_tokens,
                hook_offset=side.config.hook_offset,
                progress=lambda done, total, label=label: progress.advance(label, done, total, "tokens"),
            )
            for layer in side.layers:
                self._stores[name, layer] = stores[variant.hooks[layer]]

    def key(self, side: str, layer: int) -> str:
        """Content key of a layer's states at the shared places."""
        how = None if self.alignment is None else [self._how, *(t.key for t in self.tokens.values())]
        return content_key(["states", self._stores[side, layer].key, how])

    def of(self, side: str, layer: int) -> np.ndarray:
        """(n, d) float32 states of a layer, row by row as the other side's."""
        states = self._stores[side, layer].to_dense()
        if self.alignment is None:
            return states
        groups = self.alignment.groups_a if side == "a" else self.alignment.groups_b
        return pool_states(states, groups, self._how)

    def of_tokens(self, side: str, layer: int) -> np.ndarray:
        """(tokens, d) float32 states of a layer at every kept token of the side, aligned or not."""
        return self._stores[side, layer].to_dense()

    def last_tokens(self, side: str) -> np.ndarray:
        """(n,) the kept token at which each shared place ends: of a unit, its last one."""
        if self.alignment is None:
            return np.arange(self.tokens[side].n)
        groups = self.alignment.groups_a if side == "a" else self.alignment.groups_b
        return groups.rows[groups.offsets[1:] - 1]

    def stands_for(self, side: str) -> np.ndarray:
        """(n,) whether the state of a shared place is the one at its last token, no mean of several."""
        if self.alignment is None or self._how == "last":
            return np.ones(int(self.document_offsets[-1]), dtype=bool)
        groups = self.alignment.groups_a if side == "a" else self.alignment.groups_b
        return np.diff(groups.offsets) == 1

    def places(self) -> list[str]:
        """Names of the folders that hold them."""
        return sorted({store.path.name for store in self._stores.values()})

    @property
    def _how(self) -> Pooling:
        return "mean" if self.config.corpus.pooling == "mean" else "last"


def spread_documents(text: SharedText, tokens: int) -> np.ndarray:
    """Documents, spread evenly over those that both sides count, that hold about so many tokens."""
    a, b = text.tokens["a"].documents, text.tokens["b"].documents
    shared, counts = np.unique(a, return_counts=True)
    there = np.isin(shared, b)
    shared, counts = shared[there], counts[there]
    if not len(shared):
        return shared
    count = int(np.clip(np.ceil(tokens / counts.mean()), 1, len(shared)))
    return shared[np.unique(np.linspace(0, len(shared) - 1, count).astype(np.int64))]


def of_documents(tokens: Mapping[str, Tokens], documents: np.ndarray) -> dict[str, Tokens]:
    """Each side's rows that hold some documents; positions of other documents are read and don't count."""
    made: dict[int, Tokens] = {}
    for one in tokens.values():
        if id(one) not in made:
            made[id(one)] = _rows_of(one, documents)
    return {name: made[id(one)] for name, one in tokens.items()}


def _rows_of(tokens: Tokens, documents: np.ndarray) -> Tokens:
    wanted = tokens.keep & np.isin(tokens.document, documents)
    if np.array_equal(wanted, tokens.keep):
        return tokens
    rows = np.flatnonzero(wanted.any(axis=1))
    parts: dict[str, Any] = {
        name: getattr(tokens, name)[rows] for name in ("input_ids", "attention_mask", "document")
    }
    spans = None if tokens.spans is None else tokens.spans[rows]
    return replace(tokens, **parts, keep=wanted[rows], spans=spans)
