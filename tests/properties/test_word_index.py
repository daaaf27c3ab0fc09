"""The word index: however a text is cut into tokens and chunks, its words are those of the text."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from congruence.concepts import keyword_positions, make_concept, word_index, word_index_of_texts
from congruence.concepts.words import split_words
from congruence.errors import InputError

CHARACTERS = st.sampled_from("abc éßж国王่'’-_ .,\n2\u0301\u00ad😀")
TEXTS = st.lists(st.text(CHARACTERS, max_size=25), min_size=1, max_size=5)


def cut(text, positions):
    """The text's bytes in pieces, cut wherever (also inside a character)."""
    raw = text.encode()
    edges = sorted({0, len(raw), *(p % (len(raw) + 1) for p in positions)})
    return [raw[a:b] for a, b in pairwise(edges)]


def corpus(texts, positions):
    documents = [cut(text, positions) for text in texts]
    pieces = [piece for document in documents for piece in document]
    return pieces, np.cumsum([0, *map(len, documents)])


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 60), max_size=20))
def test_words_do_not_depend_on_the_tokens(texts, positions):
    pieces, offsets = corpus(texts, positions)
    index = word_index(np.arange(len(pieces)), offsets, pieces)
    spaced = [text for text in texts if not set(text) & set("国王่")]
    if len(spaced) == len(texts):
        expected = [word for text in texts for word in split_words(text)]
        assert [index.words[number] for number in index.word_of] == expected
    assert len(index.occurrence) == len(pieces)
    for row, piece in enumerate(pieces):
        if any(character.isalnum() for character in piece.decode("utf-8", "ignore")):
            assert index.occurrence[row] >= 0
        if piece.isascii() and not any(chr(byte).isalnum() for byte in piece):
            assert index.occurrence[row] < 0 or b"'" in piece or b"_" in piece


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 60), max_size=20), st.integers(1, 8))
def test_chunks_do_not_matter(texts, positions, chunk):
    pieces, offsets = corpus(texts, positions)
    whole = word_index(np.arange(len(pieces)), offsets, pieces)
    module = sys.modules["congruence.concepts.word_index"]
    before, module.CHUNK_TOKENS = module.CHUNK_TOKENS, chunk
    try:
        parts = word_index(np.arange(len(pieces)), offsets, pieces)
    finally:
        module.CHUNK_TOKENS = before
    assert parts.words == whole.words
    for name in ("occurrence", "whole", "word_of", "capital", "joined"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from("abc XY'-_.\n2"), max_size=25), min_size=1, max_size=4),
       st.lists(st.integers(0, 30), max_size=12))  # fmt: skip
def test_text_and_pieces_agree(texts, positions):
    spans, documents, pieces = [], [], []
    for number, text in enumerate(texts):
        edges = sorted({0, len(text), *(p % (len(text) + 1) for p in positions)})
        for a, b in pairwise(edges):
            spans.append((a, b))
            documents.append(number)
            pieces.append(text[a:b].encode())
    documents = np.array(documents, dtype=np.int64)
    offsets = np.concatenate([np.flatnonzero(np.diff(documents, prepend=-1)), [len(pieces)]])
    by_pieces = word_index(np.arange(len(pieces)), offsets.astype(np.int64), pieces)
    by_text = word_index_of_texts(texts, documents, np.array(spans, dtype=np.int64).reshape(-1, 2))
    concept = make_concept("c", ["ab", "a b", "x", "a'b"])
    np.testing.assert_array_equal(keyword_positions(concept, by_pieces), keyword_positions(concept, by_text))


def test_unusable_input():
    with pytest.raises(InputError, match="document_offsets"):
        word_index(np.array([0]), np.array([0, 2]), [b"a"])
    with pytest.raises(InputError, match="1 tokens"):
        word_index(np.array([1]), np.array([0, 1]), [b"a"])
    with pytest.raises(InputError, match="outside"):
        word_index_of_texts(["ab"], np.array([0]), np.array([[0, 3]]))
    with pytest.raises(InputError, match="ascend"):
        word_index_of_texts(["ab"], np.array([1]), np.array([[0, 1]]))
    with pytest.raises(InputError, match="first and a last"):
        word_index_of_texts(["ab"], np.array([0]), np.zeros((2, 2), int))
    empty = word_index(np.zeros(0, int), np.array([0]), [])
    assert empty.words == ()
    assert keyword_positions(make_concept("c", ["a"]), empty).shape == (0,)


def test_padding_lies_in_no_word_and_moves_none():
    texts, spans = ["a joyful day", "rain"], [[0, 1], [1, 8], [8, 12], [0, 4]]
    bare = word_index_of_texts(texts, np.array([0, 0, 0, 1]), np.array(spans))
    empty = [0, 0]
    padded = [empty, *spans[:3], empty, empty, empty, spans[3], empty, empty]
    documents = np.array([0] * 6 + [1] * 4)
    index = word_index_of_texts(texts, documents, np.array(padded))
    text = np.array([1, 2, 3, 7])
    assert np.array_equal(index.occurrence[text], bare.occurrence)
    assert np.array_equal(index.whole[text], bare.whole)
    assert (np.delete(index.occurrence, text) == -1).all()
