"""Concepts: keyword lists, the features that fire on them, phrases, and what carries a subspace.

Arrays and strings in, index sets out; scores and nulls of the subspaces are in `congruence.experiments`.
"""

from congruence.concepts.ambiguity import Removal, ambiguity, remove_ambiguous, shared_keywords
from congruence.concepts.build import BuildOptions, KeywordList, build_concepts, intersect
from congruence.concepts.check import KeywordTokens, check_keywords
from congruence.concepts.contexts import Context, context
from congruence.concepts.files import (
    builtin_concepts,
    get_concept,
    read_concepts,
    resolve_concept,
    write_concepts,
)
from congruence.concepts.hyponyms import Addition, find_hyponyms
from congruence.concepts.keyword_positions import keyword_counts, keyword_positions, keyword_table
from congruence.concepts.keyword_use import KeywordUse, keyword_use
from congruence.concepts.keywords import Concept, make_concept, union
from congruence.concepts.llm import Endpoint, ask_for_lists, parse_keywords
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
from congruence.concepts.pieces import token_pieces, token_strings
from congruence.concepts.unrelated import RandomKeywords, members_of_groups, random_keywords, top_word_table
from congruence.concepts.word_index import WordIndex, word_index, word_index_of_texts
from congruence.concepts.wordnet import WordNet
from congruence.concepts.wordnet_files import load_wordnet, read_wordnet

__all__ = [
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
    "random_keywords",
    "read_concepts",
    "read_wordnet",
    "remove_ambiguous",
    "resolve_concept",
    "shared_keywords",
    "token_pieces",
    "token_strings",
    "top_word_table",
    "union",
    "unit_positions",
    "unit_responses",
    "word_index",
    "word_index_of_texts",
    "write_concepts",
]
