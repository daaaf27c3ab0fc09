"""Keyword lists: reading, writing and building them, by hand, by language models and by WordNet."""

from congruence.careful import guard
from congruence.wordlists.build import BuildOptions, KeywordList, build_concepts, intersect
from congruence.wordlists.check import KeywordTokens, check_keywords
from congruence.wordlists.files import (
    COLLECTIONS,
    builtin_concepts,
    check_target,
    get_concept,
    read_concepts,
    resolve_concept,
    write_concepts,
)
from congruence.wordlists.llm import Endpoint, ask_for_lists, parse_keywords
from congruence.wordlists.meanings import (
    Addition,
    Removal,
    find_hyponyms,
    remove_ambiguous,
    shared_keywords,
)
from congruence.wordlists.senses import ambiguity
from congruence.wordlists.wordnet import WordNet, load_wordnet, read_wordnet

__all__ = [
    "COLLECTIONS",
    "Addition",
    "BuildOptions",
    "Endpoint",
    "KeywordList",
    "KeywordTokens",
    "Removal",
    "WordNet",
    "ambiguity",
    "ask_for_lists",
    "build_concepts",
    "builtin_concepts",
    "check_keywords",
    "check_target",
    "find_hyponyms",
    "get_concept",
    "intersect",
    "load_wordnet",
    "parse_keywords",
    "read_concepts",
    "read_wordnet",
    "remove_ambiguous",
    "resolve_concept",
    "shared_keywords",
    "write_concepts",
]

guard(globals())
