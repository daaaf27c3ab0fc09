"""Concepts within a run: words of its text, phrases through both models, rows for each of its cells."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from congruence.concepts import WordIndex, token_pieces, word_index, word_index_of_texts
from congruence.config.concepts import ConceptsConfig
from congruence.filters import NON_CONCEPT_TOKENS, PUBLISHED_SPECIAL_TOKENS
from congruence.metrics import DecoderRows
from congruence.metrics.lists import want_products
from congruence.models import Corpus, align_tokens
from congruence.progress import Progress, Silent
from congruence.run.captures import Captures
from congruence.run.cell import compute_cell
from congruence.run.contrasts import interaction_rows
from congruence.run.grid import Cell, Source
from congruence.run.keywords import keyword_rows
from congruence.run.layer import Layer
from congruence.run.plan import Plan
from congruence.run.selections.concepts import ConceptCell, concept_selections
from congruence.run.selections.layer import LayerConcepts
from congruence.run.selections.phrases import (
    PhraseLayer,
    ShownPhrases,
    TokenizedPhrases,
    phrase_selection,
)
from congruence.run.selections.text import ConceptText, find_concept, named_concepts, subspaces_of
from congruence.run.stored import CellResult
from congruence.sides.corpus import SharedText, tokens_of
from congruence.sides.variants import REAL
from congruence.stats import PreparedActs
from congruence.storage import MemoryCache, memory_bytes

logger = logging.getLogger(__name__)

STAGE_VERSION = 3
PRODUCT_SHARE, LAYER_SHARE = 3, 6
"""Products of decoder rows, and all else that is kept of layers, may take this part of the machine's memory
beyond the layer pair at hand."""


@dataclass(frozen=True, eq=False)
class StagedLayer:
    """One layer's concepts, and its answers to each section's phrases."""

    concepts: LayerConcepts
    phrases: Sequence[PhraseLayer]

    @property
    def nbytes(self) -> int:
        """Memory held, products of decoder rows left out."""
        return self.concepts.nbytes + sum(layer.nbytes for layer in self.phrases)


class ConceptStage:
    """Everything a run does about concepts.

    Args:
        captures: the run's features.
        plan: the run's, with the measures and nulls of concepts.
        config: the section `concepts:`.
    """

    def __init__(self, captures: Captures, plan: Plan, config: ConceptsConfig) -> None:
        self.captures, self.plan, self.config = captures, plan, config
        self.run = captures.config
        self._layers: MemoryCache[StagedLayer] = MemoryCache(
            memory_bytes() // LAYER_SHARE, lambda layer: layer.nbytes, at_least=2
        )
        self._products: MemoryCache[DecoderRows] = MemoryCache(
            memory_bytes() // PRODUCT_SHARE,
            lambda rows: rows.product_bytes,
            at_least=2,
            dropped=DecoderRows.forget_products,
        )

    @cached_property
    def text(self) -> ConceptText:
        """The concepts on the corpus: its words are looked up when a cell is to be computed."""
        return ConceptText.of(self.config, words_of(self.captures), seed=self.run.seed)

    @cached_property
    def shown(self) -> list[ShownPhrases]:
        """The phrases of each section."""
        return [ShownPhrases.of(section, self.text) for section in self.config.multi_token]

    def choose_phrases(self) -> None:
        """See that there are phrases to show.

        Raises:
            ConfigError, InputError: a section leaves none, or a frame can't be used.
        """
        _ = self.shown

    def key_parts(self) -> dict[str, Any]:
        """What the concept rows of a cell depend on besides its features and the run's seed.

        Phrases follow from this and from the run's text, which stands in the keys of the features.
        """
        return self._key_parts

    @cached_property
    def _key_parts(self) -> dict[str, Any]:
        """Found once: every cell's key holds the keywords of all concepts and unions."""
        lists = {subspace.name: list(subspace.concept.keywords) for subspace in subspaces_of(self.config)}
        return {
            "concepts_version": STAGE_VERSION,
            "concepts": self.config.model_dump(by_alias=True, mode="json"),
            "keywords": lists,
            "draws": self.draws,
            **self._own_measures,
        }

    @property
    def _own_measures(self) -> dict[str, Any]:
        """The code of measures that are the user's own, where there are any."""
        own = [m.key for m in self.plan.concept_measures if m.key != m.label]
        return {"own_measures": own} if own else {}

    @property
    def draws(self) -> int:
        """Null scores of each test."""
        return self.config.draws or self.run.null.draws

    def capture(self, sources: Sequence[Source], progress: Progress) -> None:
        """Run the phrases through both models, where there are any; finished shards are not repeated."""
        if self.config.multi_token:
            real = [source for source in sources if source.variant == REAL]
            self.phrase_captures.capture(real, progress)
            self.captures.memo.keep("phrases", self._phrases_of(), self.phrase_captures.places())

    def places(self) -> list[str]:
        """Names of the folders that hold what was captured of the phrases."""
        return self.captures.memo.look_up("phrases", self._phrases_of()) or []

    def _phrases_of(self) -> list[Any]:
        return [self.key_parts(), self.run.seed, self.captures.keys()]

    def covers(self, cell: Cell) -> bool:
        """Whether concepts are compared in this cell: in the real grid, not in the controls."""
        return cell.control == "none"

    def result(self, cell: Cell, matches: pd.DataFrame) -> CellResult:
        """What concepts add to one cell: its rows with their null scores, and its table of keywords."""
        started = time.perf_counter()
        concepts = self._cell(cell, matches)
        outcomes = {
            outcome.selection.concept: outcome
            for outcome in compute_cell(cell, concept_selections(concepts), self.plan.null_settings)
        }
        rows = [row for outcome in outcomes.values() for row in outcome.rows]
        rows += interaction_rows(cell, concepts, outcomes, self.plan.null_settings)
        layers = zip(self.layer(cell.a).phrases, self.layer(cell.b).phrases, strict=True)
        phrases = (phrase_selection(concepts, a, b) for a, b in layers)
        rows += [
            row for outcome in compute_cell(cell, phrases, self.plan.null_settings) for row in outcome.rows
        ]
        seconds = time.perf_counter() - started
        logger.info("concepts of cell %s: %d rows in %.2f s", cell.name, len(rows), seconds)
        scores = {index: scores for index, (_, scores) in enumerate(rows) if scores is not None}
        keywords = keyword_rows(cell, concepts, outcomes)
        return CellResult([row for row, _ in rows], {}, matches.iloc[:0], scores, keywords)

    @cached_property
    def phrase_captures(self) -> Captures:
        """The features of both models on the phrase texts."""
        captures = self.captures
        text = phrase_text([text for shown in self.shown for text in shown.texts.texts], captures)
        return Captures(captures.sides, text, self.run, captures.folder, captures.memo, what="phrases")

    def _cell(self, cell: Cell, matches: pd.DataFrame) -> ConceptCell:
        kept = matches[matches.kept]
        whole = (kept.feature_a.to_numpy(), kept.feature_b.to_numpy())
        a, b = (self.layer(source).concepts for source in (cell.a, cell.b))
        for side in (a, b):
            self._products.get(side.name, lambda rows=side.rows: rows)
        plan = self.plan
        found = ConceptCell(
            a, b, whole, plan.concept_measures, plan.concept_nulls, draws=self.draws, seed=self.run.seed
        )
        want_products(a.rows, b.rows, found.entries)
        return found

    def layer(self, source: Source) -> StagedLayer:
        """One layer, with what is computed once for all of its cells."""
        return self._layers.get(source, lambda: self._layer(source))

    def _layer(self, source: Source) -> StagedLayer:
        features, top_k = self.captures.features(source), self.config.top_k
        concepts = LayerConcepts.of(
            source.name,
            self.text,
            features.acts,
            features.W_dec,
            token_ids_of(self.captures.text, source.side),
            top=features.top if features.top.values.shape[1] == top_k else None,
            exclude=fires_on_non_concepts(features) if self.config.non_concept else None,
            fill=self.run.fill_top_tokens,
        )
        return StagedLayer(concepts, self._phrase_layers(source, concepts))

    def _phrase_layers(self, source: Source, layer: LayerConcepts) -> list[PhraseLayer]:
        if not self.shown:
            return []
        if not self.phrase_captures.has(source):  # a stored cell turned out not to be whole
            self.phrase_captures.capture([source], Silent())
        acts = whole_matrix(self.phrase_captures.features(source).acts)
        return [
            PhraseLayer(layer, tokenized, sparse.csr_array(acts[first:last]))
            for tokenized, first, last in self._tokenized
        ]

    @cached_property
    def _tokenized(self) -> list[tuple[TokenizedPhrases, int, int]]:
        """Each section's phrases as tokens, with its rows among all phrase texts."""
        text = self.phrase_captures.text
        offsets = document_offsets_of(text)
        ids = token_ids_of(text, "a")
        documents, spans = rows_in_text(text)
        texts = text.corpus.texts
        found, done = [], 0
        for shown in self.shown:
            last = done + len(shown.texts.texts)
            rows = slice(offsets[done], offsets[last])
            index = word_index_of_texts(texts[done:last], documents[rows] - done, spans[rows])
            own = offsets[done : last + 1] - offsets[done]
            found.append((TokenizedPhrases.of(shown, index, own, ids[rows]), rows.start, rows.stop))
            done = last
        return found


def check_concepts(config: ConceptsConfig | None) -> None:
    """See, before any model is loaded, that every list and concept of the section is there.

    Raises:
        ConfigError: one isn't.
    """
    if config is None:
        return
    subspaces_of(config)
    concepts = named_concepts(config)
    for section in config.multi_token:
        for name in (section.first, section.second):
            find_concept(name, concepts)


def words_of(captures: Captures) -> WordIndex:
    """The word under each row of a run's activations, from the text where token spans are known."""
    text = captures.text
    if text.alignment is None and text.tokens["a"].kept_spans is None:
        tokens, tokenizer = text.tokens["a"], captures.sides["a"].model.tokenizer
        return word_index(tokens.token_ids, tokens.document_offsets, token_pieces(tokenizer))
    documents, spans = rows_in_text(text)
    return word_index_of_texts(text.tokens["a"].texts, documents, spans)


def rows_in_text(text: SharedText) -> tuple[np.ndarray, np.ndarray]:
    """Document of each row of the activations, and its first and last + 1 character there.

    A row is a token, or a unit of aligned tokens where the tokenizers differ.
    """
    tokens = text.tokens["a"]
    spans = tokens.kept_spans
    if spans is None:
        raise ValueError("the tokenizer tells no character spans")
    if text.alignment is None:
        return tokens.documents, spans
    groups = text.alignment.groups_a
    first, last = groups.rows[groups.offsets[:-1]], groups.rows[groups.offsets[1:] - 1]
    return tokens.documents[first], np.stack([spans[first, 0], spans[last, 1]], axis=1)


def token_ids_of(text: SharedText, side: str) -> np.ndarray:
    """The token of each row, or the unit where the tokenizers differ."""
    return text.tokens[side].token_ids if text.alignment is None else text.alignment.unit_ids


def document_offsets_of(text: SharedText) -> np.ndarray:
    """First row of each document, and the number of rows at the end."""
    return text.tokens["a"].document_offsets if text.alignment is None else text.alignment.document_offsets


def phrase_text(texts: Sequence[str], captures: Captures) -> SharedText:
    """Phrase texts in the tokens of both sides, masked and aligned as the run's corpus is."""
    corpus = Corpus("phrases", tuple(texts))
    masked, begins = captures.config.corpus.mask_special, captures.text.begins
    tokens = {
        name: tokens_of(
            corpus,
            side.model,
            max_tokens=256,
            mask_special=masked,
            prepend_bos=begins.get(name),
            memo=captures.memo,
        )
        for name, side in captures.sides.items()
    }
    aligned = None if captures.text.alignment is None else align_tokens(tokens["a"], tokens["b"])
    return SharedText(corpus, tokens, aligned)


def fires_on_non_concepts(features: Layer) -> np.ndarray:
    """(f,) features with punctuation, white space or a special token among their top tokens.

    Lan et al. 2024, appendix F, filter 1, applied to each feature before subsets are chosen.
    """
    unwanted = {*NON_CONCEPT_TOKENS, *PUBLISHED_SPECIAL_TOKENS, *features.vocabulary.special}
    codes = [code for code, string in enumerate(features.vocabulary.strings) if string in unwanted]
    return np.asarray(np.isin(features.token_codes, codes).any(axis=1))


def whole_matrix(acts: PreparedActs) -> sparse.csr_array:
    """All rows of a side's activations in memory."""
    return sparse.csr_array(sparse.vstack([block for _, block in acts.source.blocks()], format="csr"))


def stage_of(captures: Captures, plan: Plan) -> ConceptStage | None:
    """The stage that a configuration's `concepts:` asks for; None where it asks for nothing."""
    concepts = captures.config.concepts
    return None if concepts is None else ConceptStage(captures, plan, concepts)
