"""Features of every source of a run: captured once, then read from disk a layer at a time."""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from congruence.activations import ActivationStore, Capture, PooledActs, stored_already
from congruence.config.run import RunConfig
from congruence.models import token_strings
from congruence.progress import Progress
from congruence.run.grid import REAL, Cell, Source
from congruence.run.layer import Layer, Vocabulary, shared_vocabulary
from congruence.sides.corpus import SharedText
from congruence.sides.crosscoder import JointReading
from congruence.sides.side import Side
from congruence.sides.variants import Variant, variant_of
from congruence.stats import prepare, top_tokens
from congruence.storage import Memo, MemoryCache, content_key, give_back

logger = logging.getLogger(__name__)

LAYER_IN_MEMORY = 256 << 20
"""Bytes up to which a layer's activations are held in memory; larger ones are read from disk by blocks."""
LAYERS_BYTES = 3 << 29
"""Bytes that all held layers may take; the two of the cell at hand are held whatever they take."""
DECODERS_BYTES = 1 << 29
"""Bytes of decoder rows that stay in memory; the two of the cell at hand do whatever they take."""
NARROW = 2048
"""Features up to which a layer is narrow: a layer pair takes a second or two, concepts included."""
_LAYOUTS = 2
"""Layouts of its activations that a prepared layer keeps for the next pair, each as large as they are."""


class Captures:
    """The features that a run's cells compare.

    Args:
        sides: side name -> side.
        text: the corpus as both see it.
        config: the run's configuration.
        folder: where activations are kept.
        memo: keeps what is found out about text.
        what: text that isn't the corpus, for whoever watches.
        reading: the crosscoder whose features these are; None where SAEs or models give them.
    """

    def __init__(
        self,
        sides: Mapping[str, Side],
        text: SharedText,
        config: RunConfig,
        folder: Path,
        memo: Memo,
        *,
        what: str = "",
        reading: JointReading | None = None,
    ) -> None:
        self.sides, self.text, self.config, self.folder = sides, text, config, folder
        self.memo, self.what = memo, what
        self.reading = reading
        self._stores: dict[Source, ActivationStore] = {}
        self._variant = cache(lambda side, name: variant_of(sides[side], name, config.seed))
        self._layers: MemoryCache[Layer] = MemoryCache(LAYERS_BYTES, lambda layer: layer.nbytes, at_least=2)
        self._decoders: MemoryCache[np.ndarray] = MemoryCache(
            DECODERS_BYTES, lambda rows: rows.nbytes, at_least=2
        )

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Decoded tokens of both sides; the tokenizers are loaded for it."""
        return _vocabulary(self.sides, self.text)

    def capture(self, sources: Iterable[Source], progress: Progress) -> None:
        """Make sure that the activations of every source are on disk; finished shards are not repeated.

        Sources that read the same text with the same model share every forward pass, whichever side they
        belong to.
        """
        for planned in self.passes(sources):
            planned.run(progress)
            self._stores |= planned.stores()

    def passes(self, sources: Iterable[Source]) -> "list[Pass]":
        """Every source, in as few passes over the text as their models allow; nothing is computed yet."""
        alike: dict[tuple[Any, ...], list[Source]] = {}
        for source in sorted(set(sources)):
            config = self.sides[source.side].config
            model = self._variant(source.side, source.variant).model
            reads = (id(model), self.text.tokens[source.side].key, config.activations, config.hook_offset)
            alike.setdefault(reads, []).append(source)
        return [self._pass(wanted) for wanted in alike.values()]

    def let_go(self) -> None:
        """Forget models and SAEs once everything is captured: the grid needs decoder rows alone.

        What hidden units write stands in their model, so that is kept for them.
        """
        if any(store.dense for store in self._stores.values()):
            return
        self._variant.cache_clear()
        for side in self.sides.values():
            side.let_go()
        give_back()

    def make_room(self, *sources: Source) -> None:
        """Hold these layers alone, without decoders or layouts of activations, before what needs much.

        What goes is read or made again when it is wanted.
        """
        self._layers.keep(*sources)
        self._decoders.keep()
        for source in sources:
            self.features(source).drop_decoder()
            self.features(source).acts.drop_layouts()
        give_back()

    def finished(self, sources: Iterable[Source]) -> bool:
        """Whether the activations of every source are on disk already; nothing is loaded to see it."""
        return all(self._stored(source) is not None for source in sources)

    def keys_of(self, sources: Iterable[Source]) -> list[str]:
        """Keys of what the activations of each source are made from; nothing is loaded to tell them."""
        return [self._key_of(source) for source in sources]

    def has(self, source: Source) -> bool:
        """Whether this source has been captured here."""
        return source in self._stores

    def features(self, source: Source) -> Layer:
        """One layer, with what is computed once for all of its cells."""
        return self._layers.get(source, lambda: self._layer(source))

    def in_memory(self, *sources: Source) -> bool:
        """Whether the activations of each of these are held in memory while they are used."""
        stores = [self._stores[source] for source in sources]
        return all(not store.dense and store.nbytes <= LAYER_IN_MEMORY for store in stores)

    def narrow(self, *sources: Source) -> bool:
        """Whether these are held in memory and of so few features that their steps are short."""
        return self.in_memory(*sources) and all(self._stores[s].shape[1] <= NARROW for s in sources)

    def key(self, source: Source) -> str:
        """Content key of a source's features, with what stands beside them in a cell."""
        alignment = self.text.alignment
        pooled = None if alignment is None else [self.config.corpus.pooling, self.text.tokens["a"].key]
        filled = ["filled"] if self.config.fill_top_tokens else []
        return content_key(["layer", self._stores[source].key, pooled, self.config.top_tokens, *filled])

    def variant(self, side: str, name: str) -> Variant:
        """A side as the named grid sees it: its model, hooks and SAEs, none of them loaded for it."""
        return self._variant(side, name)

    def decoder(self, side: str, name: str, layer: int) -> np.ndarray:
        """(f, d) float32: the vector that each feature of a variant's layer writes."""
        return self._decoders.get((side, name, layer), lambda: self._variant(side, name).decoder(layer))

    def l0(self, source: Source) -> float | None:
        """Features that fire on a token of the text, on average; None for hidden units."""
        store = self._stores[source]
        if store.dense or not store.shape[0]:
            return None
        fired = self.memo.value("firings", store.key, lambda: sum(int(block.nnz) for block in store))
        return fired / store.shape[0]

    def keys(self) -> dict[str, str]:
        """Keys of all captured sources, for the record of what made a result."""
        return {source.name: store.key for source, store in self._stores.items()}

    def places(self) -> list[str]:
        """Names of the folders that hold what was captured."""
        return sorted({store.path.name for store in self._stores.values()})

    def finish(self, folder: Path) -> dict[str, Any]:
        """Write what these captures know beside the cells into a run's folder; what run.json says of it."""
        return {}

    def _pass(self, sources: list[Source]) -> "Pass":
        """Every feature set that one model's hidden states go into."""
        first = self.sides[sources[0].side]
        sets = list(dict.fromkeys((source.side, source.variant) for source in sources))
        requests = [self._request([s for s in sources if (s.side, s.variant) == one]) for one in sets]
        places = {
            source: (sets.index((source.side, source.variant)), self._hook(source)) for source in sources
        }
        return Pass(
            self._label(sets),
            places,
            lambda: Capture(
                self._variant(*sets[0]).model,
                self.text.tokens[first.name],
                requests,
                self.folder,
                batch_tokens=self.config.batch_tokens,
                activations=first.config.activations,
                hook_offset=first.config.hook_offset,
            ),
        )

    def _label(self, sets: list[tuple[str, str]]) -> str:
        """What a progress bar says of a pass."""
        labels = dict.fromkeys(self.sides[side].config.label for side, _ in sets)
        variants = dict.fromkeys(variant for _, variant in sets)
        named = " and ".join(labels) + (f" on {self.what}" if self.what else "")
        if len({side.config.label for side in self.sides.values()}) == 1 and len({s for s, _ in sets}) == 1:
            named += f", side {sets[0][0]}"
        return f"capture {named}" + ("" if REAL in variants else f" ({', '.join(variants)})")

    def _request(self, sources: Iterable[Source]) -> dict[str, Any]:
        """Hook point -> SAE of one side's sources of one variant."""
        return {self._hook(source): self._variant_of(source).saes[source.layer] for source in sources}

    def _stored(self, source: Source) -> ActivationStore | None:
        side = self.sides[source.side]
        found = stored_already(
            self._variant_of(source).model,
            self.text.tokens[source.side],
            self._request([source]),
            self.folder,
            activations=side.config.activations,
            hook_offset=side.config.hook_offset,
        )
        return found[self._hook(source)]

    def _key_of(self, source: Source) -> str:
        variant = self._variant_of(source)
        sae = variant.saes[source.layer]
        return content_key(
            [source.name, variant.model.key, self._hook(source), None if sae is None else sae.key]
        )

    def _variant_of(self, source: Source) -> Variant:
        return self._variant(source.side, source.variant)

    def _hook(self, source: Source) -> str:
        return self._variant_of(source).hooks[source.layer]

    def _layer(self, source: Source) -> Layer:
        """Statistics and top tokens of one layer; its decoder is read when it is wanted."""
        stored, variant = self._stores[source], self._variant_of(source)
        acts = self.acts(source)
        held = self.in_memory(source)
        offsets = np.asarray(acts.document_offsets)
        prepared = prepare(acts.to_csr(), document_offsets=offsets) if held else prepare(acts)
        of_lists = {"k": self.config.top_tokens, "fill": self.config.fill_top_tokens}
        top = top_tokens(prepared, np.asarray(acts.token_ids), **of_lists)
        codes = self.vocabulary.codes[source.side]
        return Layer(
            name=source.name,
            key=self.key(source),
            acts=prepared,
            top=top,
            token_codes=np.where(top.token_ids >= 0, codes[np.maximum(top.token_ids, 0)], -1),
            document_offsets=offsets,
            vocabulary=self.vocabulary,
            decoder=lambda: variant.decoder(source.layer),
            acts_bytes=stored.nbytes * (_LAYOUTS + held),
        )

    def acts(self, source: Source) -> "ActivationStore | PooledActs":
        """Activations of a source, row by row as the cells compare them."""
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


class Pass:
    """One pass of a run over its text with one model.

    Args:
        label: what a progress bar says of it.
        places: of each source, the request it belongs to and its hook point.
        plan: gives the capture; what isn't on disk yet is looked at then.
    """

    def __init__(
        self, label: str, places: Mapping[Source, tuple[int, str]], plan: Callable[[], Capture]
    ) -> None:
        self.label, self._places, self._plan = label, places, plan

    @cached_property
    def capture(self) -> Capture:
        """It, planned."""
        return self._plan()

    def run(self, progress: Progress) -> None:
        """Compute what is missing here."""
        self.capture.run(lambda done, total: progress.advance(self.label, done, total, "tokens"))

    def stores(self) -> dict[Source, ActivationStore]:
        """Where each source's activations are."""
        stores = self.capture.stores
        return {source: stores[number][hook] for source, (number, hook) in self._places.items()}


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
