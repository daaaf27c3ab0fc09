"""Membership on a table made by hand: for each context, whether the token marks a feature as the concept's.

Each row gives the text, cut into tokens by hand (byte-level BPE writes the leading space as part of the
token, so does SentencePiece as "▁"), the number of the token on which a feature fires, a keyword, whether
the feature belongs, and why.
"""

import numpy as np
import pytest

from congruence.concepts import (
    Rule,
    concept_members,
    keyword_positions,
    make_concept,
    token_pieces,
    word_index,
    word_index_of_texts,
)
from congruence.records import TopTokens

FOLD = [
    # text as tokens, token, keyword, belongs, why
    (
        ["The", " king", " slept"],
        1,
        "king",
        True,
        "the token is the keyword with a leading space, and a whole word",
    ),
    (["king", " of"], 0, "king", True, "at the start of a document there is no space to strip"),
    (["see", "king", " it"], 1, "king", False, "the token equals the keyword, but stands inside 'seeking'"),
    ([" king", "dom"], 0, "king", False, "' king' begins 'kingdom'"),
    ([" king", "s"], 0, "king", False, "the plural, cut after the keyword, is another word"),
    ([" kings"], 0, "king", False, "the plural as one token is another word: put it on the list"),
    ([" kings"], 0, "kings", True, "the plural is matched where the list has it"),
    ([" KING"], 0, "king", True, "case-folded"),
    (["King", " Lear"], 0, "king", True, "a capital at the start of a sentence"),
    ([" will", " go"], 0, "Will", True, "folded, the name Will and the verb are one, as published"),
    ([" may", " go"], 0, "May", True, "the same for the month (see the proper rule below)"),
    (["May", " 5"], 0, "may", True, "and the other way round"),
    (['"', "king", '"'], 1, "king", True, "quotes end a word"),
    (["“", "king", "”"], 1, "king", True, "so do curly ones"),
    (["'", "king", "'"], 1, "king", True, "and single ones"),
    (["(", "king", ")"], 1, "king", True, "brackets"),
    (["[", "king", "]"], 1, "king", True, "square brackets"),
    (["(king", ")"], 0, "king", True, "a token that holds a bracket too lies in the word"),
    (["king", "-size"], 0, "king", True, "a hyphen ends a word"),
    (["king", "-", "size"], 0, "king", True, "also as a token of its own"),
    (["re", "-", "king"], 2, "king", True, "on either side"),
    (["king", "'s"], 0, "king", True, "the possessive is the keyword with a clitic"),
    (["king", "’", "s"], 0, "king", True, "with a curly apostrophe too"),
    (["king", "'s"], 1, "king", False, "the clitic itself isn't the keyword"),
    (["don", "'t"], 0, "don", False, "an apostrophe inside a word doesn't end it: \"don't\" isn't 'don'"),
    (["o", "'", "clock"], 2, "clock", False, '"o\'clock" is one word'),
    (["o", "'", "clock"], 2, "o'clock", True, "which a list may hold"),
    (["_", "king", "_"], 1, "king", True, "underscores around a word are emphasis"),
    (["my", "_", "king"], 2, "king", False, "underscores inside are an identifier"),
    (["king", "2"], 0, "king", False, "a digit belongs to the word"),
    (["the", "king", ","], 1, "king", False, "no space between the tokens: the word is 'theking'"),
    ([" king", ","], 0, "king", True, "a comma ends a word"),
    ([" king", "\n"], 0, "king", True, "so does a line end"),
    ([" king", ","], 1, "king", False, "punctuation lies in no word"),
    ([" g", "lee", " club"], 0, "glee", True, "a keyword cut into pieces: the token lies in the word"),
    ([" g", "lee", " club"], 1, "glee", True, "any of its pieces"),
    ([" g", "lee", "ful"], 1, "glee", False, "the pieces of 'gleeful' lie in another word"),
    ([" lee"], 0, "glee", False, "a piece by itself isn't the keyword"),
    ([" caf", "é"], 0, "café", True, "non-ASCII, cut before the accent"),
    ([" café"], 0, "cafe", False, "accents count"),
    ([" cafe\u0301"], 0, "café", True, "the accent as a mark of its own is the same letter"),
    ([" Straße"], 0, "STRASSE", True, "folding takes ß to ss"),
    ([" Ångström"], 0, "ångström", True, "folding beyond ASCII"),
    ([" Москва"], 0, "москва", True, "and beyond Latin"),
    (["国王", "在"], 0, "国王", True, "scripts without spaces: a token is a word"),
    (["国王在", "。"], 0, "国王", False, "and a longer token another one"),
    ([" New", " York"], 0, "New York", True, "a keyword of two words takes both"),
    ([" New", " York"], 1, "New York", True, "its second word"),
    ([" New", " shoes"], 0, "New York", False, "not one of its words alone"),
    ([" New", ",", " York"], 0, "New York", False, "nor with a comma between"),
    ([" ice", "-", "cream"], 2, "ice cream", True, "a hyphen between its words is as good as a space"),
    ([" the"], 0, "king", False, "another word"),
]

PROPER = [
    ([" may", " go"], 0, "May", False, "a keyword with a capital needs the capital"),
    ([" May", " 5"], 0, "May", True, "the month"),
    (["May", " I"], 0, "May", True, "a sentence's first word can't be told apart"),
    ([" JOY"], 0, "joy", True, "a keyword without one takes any case"),
    ([" new", " york"], 0, "New York", False, "each word of a phrase"),
]

WHOLE = [
    ([" g", "lee"], 0, "glee", False, "with pieces=False a token must be the whole word"),
    ([" glee"], 0, "glee", True, "as here"),
    (["(glee", ")"], 0, "glee", True, "brackets in the token don't matter"),
    ([" New", " York"], 1, "New York", True, "each token is a whole word of the phrase"),
]


def belongs(tokens, fires_on, keyword, *, from_text, **options):
    concept = make_concept("c", [keyword])
    if from_text:
        ends = np.cumsum([len(token) for token in tokens])
        spans = np.stack([ends - [len(token) for token in tokens], ends], axis=1)
        index = word_index_of_texts(["".join(tokens)], np.zeros(len(tokens), int), spans)
    else:
        pieces = [token.encode() for token in tokens]
        index = word_index(np.arange(len(tokens)), np.array([0, len(tokens)]), pieces)
    top = TopTokens(np.array([[1.0, 0]]), np.array([[fires_on, -1]]), np.array([[fires_on, -1]]))
    members = concept_members(top, keyword_positions(concept, index, **options), rule=Rule(top_k=2))
    return members.features.tolist() == [0]


@pytest.mark.parametrize("from_text", [False, True], ids=["pieces", "text"])
@pytest.mark.parametrize(("tokens", "fires_on", "keyword", "expected", "why"), FOLD)
def test_folded_rule(tokens, fires_on, keyword, expected, why, from_text):
    assert belongs(tokens, fires_on, keyword, from_text=from_text) is expected, why


@pytest.mark.parametrize(("tokens", "fires_on", "keyword", "expected", "why"), PROPER)
def test_proper_rule(tokens, fires_on, keyword, expected, why):
    assert belongs(tokens, fires_on, keyword, from_text=False, case="proper") is expected, why


@pytest.mark.parametrize(("tokens", "fires_on", "keyword", "expected", "why"), WHOLE)
def test_whole_tokens_only(tokens, fires_on, keyword, expected, why):
    assert belongs(tokens, fires_on, keyword, from_text=False, pieces=False) is expected, why


def byte_level_bpe():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    # "Ġ" is byte-level BPE's space, "ÃĨ" the two bytes of "Æ"
    vocab = ["Ġking", "king", "see", "s", "Ġ(", ")", "Ã", "Ĩ", "Ġ", "g", "lee", "Ċ", "<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(vocab)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def sentencepiece():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocab = ["▁king", "king", "▁see", "s", "▁(", ")", "<0xC3>", "<0x86>", "▁", "g", "lee", "<0x0A>", "<s>"]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(vocab)}, [], byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<s>"])
    return tokenizer


@pytest.mark.parametrize(
    "tokenizer", [byte_level_bpe(), sentencepiece()], ids=["byte-level BPE", "SentencePiece"]
)
@pytest.mark.parametrize(
    ("ids", "fires_on", "keyword", "expected", "why"),
    [
        ([0], 0, "king", True, "the token carries its leading space"),
        ([12, 1], 1, "king", True, "the special token before it is no part of the word"),
        ([2, 1], 1, "king", False, "'see' + 'king' is 'seeking'... without a space between"),
        ([0, 3], 0, "king", False, "' king' + 's'"),
        ([4, 1, 5], 1, "king", True, "' (' + 'king' + ')'"),
        ([11, 1], 1, "king", True, "after a line end"),
        ([8, 9, 10], 2, "glee", True, "' ' + 'g' + 'lee'"),
        ([8, 9, 10], 0, "glee", False, "the space by itself lies in no word"),
        ([0, 12, 3], 0, "king", True, "a special token parts 'king' from 's'"),
        ([6, 7, 3], 0, "æs", True, "one letter in two bytes, each a token"),
        ([6, 7, 3], 1, "æs", True, "its second byte"),
    ],
)
def test_real_dialects(tokenizer, ids, fires_on, keyword, expected, why):
    pieces = token_pieces(tokenizer)
    index = word_index(np.array(ids), np.array([0, len(ids)]), pieces)
    assert (keyword_positions(make_concept("c", [keyword]), index)[fires_on] >= 0) is np.bool_(expected), why


def test_words_do_not_reach_over_documents_or_breaks():
    pieces = [b" king", b"dom"]
    ids = np.array([0, 1])
    king = make_concept("c", ["king"])
    for offsets, breaks, expected in [
        ([0, 2], None, -1),
        ([0, 1, 2], None, 0),
        ([0, 2], np.array([False, True]), 0),
    ]:
        index = word_index(ids, np.array(offsets), pieces, breaks=breaks)
        assert keyword_positions(king, index)[0] == expected


def test_a_cut_document_knows_its_last_word():
    """The tokens stop inside "kingdom": pieces can't tell, the text can."""
    king = make_concept("c", ["king"])
    cut = word_index_of_texts(["the kingdom"], np.zeros(2, int), np.array([[0, 3], [4, 8]]))
    assert keyword_positions(king, cut)[1] == -1


def test_thresholds():
    positions = np.array([0, 0, 1, -1, -1])
    top = TopTokens(
        np.ones((3, 3), np.float32), np.array([[0, 1, 3], [2, 3, 4], [3, 4, -1]]), np.zeros((3, 3), np.int64)
    )
    assert concept_members(top, positions, rule=Rule(3, 1)).features.tolist() == [0, 1]
    assert concept_members(top, positions, rule=Rule(3, 2)).features.tolist() == [0]
    assert concept_members(top, positions, rule=Rule(1, 1)).features.tolist() == [0, 1]
    mass = np.array([0.4, 0.9, np.nan])
    assert concept_members(top, positions, rule=Rule(3, 1, 0.5), mass=mass).features.tolist() == [1]
    exclude = np.array([True, False, False])
    assert concept_members(top, positions, rule=Rule(3, 1), exclude=exclude).features.tolist() == [1]
    assert concept_members(top, positions, rule=Rule(3, 1)).without(1, Rule(3, 1)).tolist() == [0]
