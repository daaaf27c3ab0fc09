"""Concepts: keywords, the features that fire on them, phrases, and what carries a subspace.

Arrays and strings in, index sets out. Making and reading keyword lists is `congruence.wordlists`, whose names
can be asked for here as well.
"""

import importlib
from typing import Any

from congruence.careful import guard
from congruence.concepts.keyword_positions import keyword_counts, keyword_positions, keyword_table
from congruence.concepts.keyword_use import KeywordUse, keyword_use
from congruence.concepts.keywords import Concept, make_concept, union
from congruence.concepts.membership import Members, Rule, concept_mass, concept_members
from congruence.concepts.phrase_response import PhraseNeed, active_features, phrase_need, unit_responses
from congruence.concepts.phrases import (
    FRAMES,
    Phrases,
    PhraseTexts,
    given_phrases,
    make_phrases,
    phrase_texts,
    unit_positions,
)
from congruence.concepts.pieces import Context, context, piece_strings, token_pieces
from congruence.concepts.unrelated import RandomKeywords, members_of_groups, random_keywords, top_word_table
from congruence.concepts.word_index import WordIndex, word_index, word_index_of_texts

_OF_WORDLISTS = (
    "COLLECTIONS",
    "Removal",
    "ambiguity",
    "remove_ambiguous",
    "shared_keywords",
    "BuildOptions",
    "KeywordList",
    "build_concepts",
    "intersect",
    "KeywordTokens",
    "check_keywords",
    "check_target",
    "builtin_concepts",
    "get_concept",
    "read_concepts",
    "resolve_concept",
    "write_concepts",
    "Addition",
    "find_hyponyms",
    "Endpoint",
    "ask_for_lists",
    "parse_keywords",
    "WordNet",
    "load_wordnet",
    "read_wordnet",
)

__all__ = [
    "COLLECTIONS",
    "FRAMES",
    "Addition",
    "BuildOptions",
    "Concept",
    "Context",
    "Endpoint",
    "KeywordList",
    "KeywordTokens",
    "KeywordUse",
    "Members",
    "PhraseNeed",
    "PhraseTexts",
    "Phrases",
    "RandomKeywords",
    "Removal",
    "Rule",
    "WordIndex",
    "WordNet",
    "active_features",
    "ambiguity",
    "ask_for_lists",
    "build_concepts",
    "builtin_concepts",
    "check_keywords",
    "check_target",
    "concept_mass",
    "concept_members",
    "context",
    "find_hyponyms",
    "get_concept",
    "given_phrases",
    "intersect",
    "keyword_counts",
    "keyword_positions",
    "keyword_table",
    "keyword_use",
    "load_wordnet",
    "make_concept",
    "make_phrases",
    "members_of_groups",
    "parse_keywords",
    "phrase_need",
    "phrase_texts",
    "piece_strings",
    "random_keywords",
    "read_concepts",
    "read_wordnet",
    "remove_ambiguous",
    "resolve_concept",
    "shared_keywords",
    "token_pieces",
    "top_word_table",
    "union",
    "unit_positions",
    "unit_responses",
    "word_index",
    "word_index_of_texts",
    "write_concepts",
]

guard(globals())


def __getattr__(name: str) -> Any:
    """The names of `congruence.wordlists`, loaded when one is first used."""
    if name in _OF_WORDLISTS:
        return getattr(importlib.import_module("congruence.wordlists"), name)
    raise AttributeError(f"module 'congruence.concepts' has no attribute {name!r}")
