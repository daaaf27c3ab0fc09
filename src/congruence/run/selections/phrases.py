"""Multi-token subspaces: phrases shown to both models, the features that answer, and their test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy import sparse

from congruence.concepts import (
    Concept,
    Phrases,
    PhraseTexts,
    WordIndex,
    active_features,
    concept_members,
    given_phrases,
    keyword_positions,
    make_phrases,
    phrase_need,
    phrase_texts,
    unit_positions,
    unit_responses,
)
from congruence.concepts.phrase_response import PhraseNeed, join_top_tokens, phrase_rows
from congruence.config.concepts import MultiTokenConfig
from congruence.matching.inside import LayerColumns
from congruence.rng import derive
from congruence.run.selections.concepts import ConceptCell, ConceptSelection
from congruence.run.selections.layer import LayerConcepts, layout_bytes
from congruence.run.selections.text import ConceptText, find_concept
from congruence.stats import top_tokens

KIND = "multi_token"


@dataclass(frozen=True)
class ShownPhrases:
    """The phrases of one multi-token subspace, before a model has seen them.

    Attributes:
        config: its section.
        phrases: which.
        texts: what is to be run through both models.
        in_corpus: (n,) phrase under each token of the corpus, -1 for none.
    """

    config: MultiTokenConfig
    phrases: Phrases
    texts: PhraseTexts
    in_corpus: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, config: MultiTokenConfig, text: ConceptText) -> "ShownPhrases":
        """Choose the phrases; the same seed chooses the same.

        Raises:
            ConfigError: a concept isn't among the section's lists.
            InputError: no phrase is left, or a frame can't be used.
        """
        single: Mapping[str, Concept] = {
            name: s.concept for name, s in text.subspaces.items() if s.kind == "semantic"
        }
        first, second = find_concept(config.first, single), find_concept(config.second, single)
        if config.phrases is not None:
            phrases = given_phrases(f"{first.name}×{second.name}", config.phrases, text.index)
        else:
            phrases = make_phrases(
                first,
                second,
                text.index,
                rng=derive(text.seed, "concepts", "phrases", first.name, second.name),
                limit=config.max_phrases,
                likelihood=config.likelihood,
            )
        in_corpus = keyword_positions(phrases.concept(), text.index, case=text.config.case)
        return cls(config, phrases, phrase_texts(phrases, config.frames), in_corpus)


@dataclass(frozen=True)
class TokenizedPhrases:
    """The same as tokens.

    Attributes:
        shown: the phrases.
        offsets: (texts + 1,) first row of each text.
        unit: (m,) unit under each token, -1 for the tokens of the frame.
        token_ids: (m,) ids.
    """

    shown: ShownPhrases
    offsets: Int[np.ndarray, " texts_plus_1"]
    unit: Int[np.ndarray, " m"]
    token_ids: Int[np.ndarray, " m"]

    @classmethod
    def of(
        cls,
        shown: ShownPhrases,
        index: WordIndex,
        document_offsets: Int[np.ndarray, " texts_plus_1"],
        token_ids: Int[np.ndarray, " m"],
    ) -> "TokenizedPhrases":
        """Find the units among the tokens of the texts.

        Args:
            shown: the phrases, whose texts were tokenized one after another.
            index: words of those tokens.
            document_offsets: first row of each text, m at the end.
            token_ids: (m,) ids.
        """
        return cls(shown, document_offsets, unit_positions(shown.texts, index, document_offsets), token_ids)


@dataclass
class PhraseLayer:
    """One layer's answers to the phrases.

    Attributes:
        base: the layer on the corpus.
        phrases: what was shown.
        acts: (m, f) activations on the texts.
    """

    base: LayerConcepts
    phrases: TokenizedPhrases
    acts: sparse.csr_array

    @cached_property
    def responses(self) -> sparse.csr_array:
        """(units, f) strongest activation inside each unit, averaged over frames."""
        return unit_responses(self.acts, self.phrases.unit, self.phrases.offsets, self.phrases.shown.texts)

    @cached_property
    def need(self) -> PhraseNeed:
        """Which features need the phrase."""
        shown = self.phrases.shown
        strongest = np.maximum(self.base.top.values[:, 0], self.acts.max(axis=0).toarray().ravel())
        floor = shown.config.min_strength * strongest
        return phrase_need(self.responses, shown.texts, ratio=shown.config.ratio, floor=floor)

    @cached_property
    def features(self) -> Int[np.ndarray, " p"]:
        """The members, by the rule of the section."""
        config = self.phrases.shown.config
        if config.members == "active":
            found = active_features(self.responses, self.phrases.shown.texts)
        elif config.members == "needs_phrase":
            found = self.need.features(min_share=config.min_share)
        else:
            found = self._top_inside()
        return found[~self.base.exclude[found] & self.columns.alive[found]]

    @cached_property
    def columns(self) -> LayerColumns:
        """Activations to pair by: on the texts that show phrases (active), or on these and the corpus."""
        rows = np.flatnonzero(phrase_rows(self.phrases.shown.texts, self.phrases.offsets))
        shown: Any = self.acts[rows]
        if self.phrases.shown.config.members == "active":
            return LayerColumns.of(shown, exclude=self.base.exclude)
        corpus = [block for _, block in self.base.acts.source.blocks()]
        whole = sparse.csr_array(sparse.vstack([*corpus, shown], format="csr"))
        return LayerColumns.of(whole, exclude=self.base.exclude)

    @property
    def nbytes(self) -> int:
        """Memory held, about: activations on the texts, and what pairs by them."""
        columns = self.__dict__.get("columns")
        paired = 0 if columns is None else layout_bytes(columns.acts)
        return self.acts.data.nbytes + self.acts.indices.nbytes + self.acts.indptr.nbytes + paired

    @property
    def eligible(self) -> Int[np.ndarray, " e"]:
        """Features that could have been members."""
        return np.flatnonzero(self.columns.alive & ~self.base.exclude)

    def _top_inside(self) -> Int[np.ndarray, " p"]:
        """Features whose top tokens, over corpus and texts together, lie inside phrases."""
        base, shown = self.base, self.phrases.shown
        rows = phrase_rows(shown.texts, self.phrases.offsets)
        inside = np.where(rows, self.phrases.unit, -1)
        top = top_tokens(self.acts, self.phrases.token_ids, k=base.text.config.top_k)
        joined = join_top_tokens(base.top, top, len(shown.in_corpus))
        rule = base.text.config.rule()
        positions = np.concatenate([shown.in_corpus, inside])
        least = rule.min_mass
        if least > 0:  # mass is defined on the corpus alone
            rule = type(rule)(rule.top_k, rule.min_hits)
        return concept_members(joined, positions, rule=rule, exclude=base.exclude).features


def phrase_selection(cell: ConceptCell, a: PhraseLayer, b: PhraseLayer) -> ConceptSelection:
    """The members on both sides, paired on the texts that show the phrases.

    The null `unrelated_keywords` would have to run other phrases through the models for every draw, and
    isn't offered.
    """
    return cell.selection(
        a.phrases.shown.config.name,
        KIND,
        [a.features, b.features],
        cell.pairing_of(a.columns, b.columns),
        _details(a, b),
        pools=(a.eligible, b.eligible),
    )


def _details(a: PhraseLayer, b: PhraseLayer) -> dict[str, Any]:
    shown = a.phrases.shown
    return {
        "members": shown.config.members,
        "phrases": len(shown.phrases),
        "phrases_in_corpus": int(np.count_nonzero(shown.phrases.corpus_count)),
        "frames": shown.texts.frames,
        **{f"{name}_{side}": value for side, layer in (("a", a), ("b", b)) for name, value in _needs(layer)},
    }


def _needs(layer: PhraseLayer) -> Sequence[tuple[str, int]]:
    """How many members need the phrase, and how many features do at all."""
    needing = layer.need.features(min_share=layer.phrases.shown.config.min_share)
    return [
        ("members_that_need_phrase", int(np.isin(layer.features, needing).sum())),
        ("features_that_need_phrase", len(needing)),
    ]
