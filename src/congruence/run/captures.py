"""Features of every source of a run: captured once, then read from disk a layer at a time."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from congruence.activations import ActivationStore, PooledActs, capture_together
from congruence.config.run import RunConfig
from congruence.models import token_strings
from congruence.progress import Progress
from congruence.run.grid import REAL, Cell, Source
from congruence.run.layer_features import LayerFeatures, Vocabulary, shared_vocabulary
from congruence.sides.corpus import SharedText
from congruence.sides.side import Side
from congruence.sides.variants import variant_of
from congruence.stats import prepare, top_tokens
from congruence.storage import content_key

logger = logging.getLogger(__name__)

LAYERS_IN_MEMORY = 24
"""Layers whose features stay loaded at a time; the grid goes through them row by row."""


class Captures:
    """The features that a run's cells compare.

    Args:
        sides: side name -> side.
        text: the corpus as both see it.
        config: the run's configuration.
        folder: where activations are kept.
    """

    def __init__(self, sides: Mapping[str, Side], text: SharedText, config: RunConfig, folder: Path) -> None:
        self.sides, self.text, self.config, self.folder = sides, text, config, folder
        self._stores: dict[Source, ActivationStore] = {}
        self.vocabulary = _vocabulary(sides, text)
        self._variant = cache(lambda side, name: variant_of(sides[side], name, config.seed))
        self.features = lru_cache(maxsize=LAYERS_IN_MEMORY)(self._features)

    def capture(self, sources: Iterable[Source], progress: Progress) -> None:
        """Make sure that the activations of every source are on disk; finished shards are not repeated."""
        by_model: dict[tuple[str, int], list[Source]] = {}
        for source in sorted(set(sources)):
            model = self._variant(source.side, source.variant).model
            by_model.setdefault((source.side, id(model)), []).append(source)
        for (side, _), wanted in by_model.items():
            self._capture_model(self.sides[side], wanted, progress)

    def key(self, source: Source) -> str:
        """Content key of a source's features, with what stands beside them in a cell."""
        alignment = self.text.alignment
        pooled = None if alignment is None else [self.config.corpus.pooling, self.text.tokens["a"].key]
        return content_key(["layer", self._stores[source].key, pooled, self.config.top_tokens])

    def keys(self) -> dict[str, str]:
        """Keys of all captured sources, for the record of what made a result."""
        return {f"{s.side}/{s.variant}/{s.layer}": store.key for s, store in self._stores.items()}

    def _capture_model(self, side: Side, sources: Sequence[Source], progress: Progress) -> None:
        """Every feature set that one model's hidden states go into, in one pass over the text."""
        names = list(dict.fromkeys(source.variant for source in sources))
        variants = {name: self._variant(side.name, name) for name in names}
        layers = {name: [s.layer for s in sources if s.variant == name] for name in names}
        label = f"capture {side.config.label}" + ("" if REAL in names else f" ({', '.join(names)})")
        found = capture_together(
            variants[names[0]].model,
            self.text.tokens[side.name],
            [{v.hooks[layer]: v.saes[layer] for layer in layers[name]} for name, v in variants.items()],
            self.folder,
            batch_tokens=self.config.batch_tokens,
            activations=side.config.activations,
            hook_offset=side.config.hook_offset,
            progress=lambda done, total: progress.advance(label, done, total, "tokens"),
        )
        for name, stores in zip(names, found, strict=True):
            for layer in layers[name]:
                self._stores[Source(side.name, name, layer)] = stores[variants[name].hooks[layer]]

    def _features(self, source: Source) -> LayerFeatures:
        """Statistics, top tokens and decoder of one layer: computed once, for all of its cells."""
        acts = self._acts(source)
        dense = getattr(self._stores[source], "dense", False)
        matrix = acts if dense else acts.to_csr()
        prepared = prepare(matrix)
        top = top_tokens(prepared, np.asarray(acts.token_ids), k=self.config.top_tokens)
        codes = self.vocabulary.codes[source.side]
        return LayerFeatures(
            acts=prepared,
            W_dec=self._variant(source.side, source.variant).decoder(source.layer),
            token_codes=np.where(top.token_ids >= 0, codes[np.maximum(top.token_ids, 0)], -1),
            matrix=matrix,
            live=np.flatnonzero(prepared.moments.firings),
            document_offsets=np.asarray(acts.document_offsets),
            vocabulary=self.vocabulary,
            key=self.key(source),
        )

    def _acts(self, source: Source) -> Any:
        store, alignment = self._stores[source], self.text.alignment
        if alignment is None:
            return store
        groups = alignment.groups_a if source.side == "a" else alignment.groups_b
        return PooledActs(
            store,
            groups,
            self.config.corpus.pooling or "last",
            alignment.document_offsets,
            alignment.unit_ids,
        )


def sources_of(cells: Iterable[Cell]) -> list[Source]:
    """Every source that the cells need, once."""
    return list(dict.fromkeys(source for cell in cells for source in (cell.a, cell.b)))


def _vocabulary(sides: Mapping[str, Side], text: SharedText) -> Vocabulary:
    """What stands for token ids, decoded: tokens, or the aligned units of text."""
    special = {str(token) for side in sides.values() for token in side.model.tokenizer.all_special_tokens}
    if text.alignment is not None:
        strings = text.alignment.unit_strings
        both = (np.arange(len(strings)), strings)
        return shared_vocabulary({"a": both, "b": both}, frozenset(special))
    decoded = {}
    for name, side in sides.items():
        ids = np.unique(text.tokens[name].token_ids)
        decoded[name] = (ids, token_strings(side.model.tokenizer, ids))
    return shared_vocabulary(decoded, frozenset(special))
