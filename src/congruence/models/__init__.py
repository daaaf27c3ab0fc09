"""Language models with hooks, corpora and their tokens."""

from congruence.careful import guard
from congruence.models.alignment import Alignment, Groups, align_spans, align_tokens
from congruence.models.corpus import Corpus, corpus_of, load_corpus, load_dataset_corpus
from congruence.models.language_model import LanguageModel, ModelShape
from congruence.models.load import find_model, load_model
from congruence.models.rerandomize import rerandomize, rerandomized
from congruence.models.streaming import batch_states, hidden_states
from congruence.models.token_strings import token_strings
from congruence.models.tokenizer_equality import require_equal_tokenizers, tokenizer_difference
from congruence.models.tokens import Tokens, tokenize
from congruence.models.twins import Twins

__all__ = [
    "Alignment",
    "Corpus",
    "Groups",
    "LanguageModel",
    "ModelShape",
    "Tokens",
    "Twins",
    "align_spans",
    "align_tokens",
    "batch_states",
    "corpus_of",
    "find_model",
    "hidden_states",
    "load_corpus",
    "load_dataset_corpus",
    "load_model",
    "require_equal_tokenizers",
    "rerandomize",
    "rerandomized",
    "token_strings",
    "tokenize",
    "tokenizer_difference",
]

guard(globals())
