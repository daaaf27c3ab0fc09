"""Alignment of two segmentations against the slow obvious definition, and pooling against dense arrays."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tokenizers import normalizers

import tiny_models
from congruence.activations import pool_rows
from congruence.errors import InputError, ModelError
from congruence.models import (
    Groups,
    align_spans,
    align_tokens,
    corpus_of,
    require_equal_tokenizers,
    token_strings,
    tokenize,
    tokenizer_difference,
)

CORPUS = corpus_of(tiny_models.TEXTS[:4])


@st.composite
def segmented_texts(draw):
    text = draw(st.text(alphabet="ab \n", min_size=1, max_size=24))

    def spans():
        cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=12)) | {0, len(text)})
        pairs = [pair for pair in itertools.pairwise(cuts) if draw(st.integers(0, 9))]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    return text, spans(), spans()


def ink_of(text, span):
    return [i for i in range(*span) if not text[i].isspace()]


def slow_units(text, spans_a, spans_b):
    """Tokens that share a visible character are one unit, transitively; units of both sides count."""
    tokens = [("a", i, set(ink_of(text, s))) for i, s in enumerate(spans_a)]
    tokens += [("b", i, set(ink_of(text, s))) for i, s in enumerate(spans_b)]
    units = []
    for side, index, ink in tokens:
        if not ink:
            continue
        joined = [unit for unit in units if unit[2] & ink]
        units = [unit for unit in units if not unit[2] & ink]
        merged = ({(side, index)}, None, set(ink))
        for unit in joined:
            merged = (merged[0] | unit[0], None, merged[2] | unit[2])
        units.append(merged)
    both = [unit for unit in units if {side for side, _ in unit[0]} == {"a", "b"}]
    return sorted((sorted(members) for members, _, _ in both), key=lambda m: m[0][1])


@settings(max_examples=400, deadline=None)
@given(segmented_texts())
def test_units_of_ink_are_the_connected_tokens(case):
    text, spans_a, spans_b = case
    a, b = align_spans(spans_a, spans_b, text)
    found = []
    for unit in range(len(a)):
        members = [("a", int(i)) for i in a.rows[a.offsets[unit] : a.offsets[unit + 1]]]
        members += [("b", int(i)) for i in b.rows[b.offsets[unit] : b.offsets[unit + 1]]]
        inky = [(s, i) for s, i in members if ink_of(text, (spans_a if s == "a" else spans_b)[i])]
        if inky:
            found.append(sorted(inky))
    assert sorted(found) == sorted(slow_units(text, spans_a, spans_b))


@settings(max_examples=200, deadline=None)
@given(segmented_texts())
def test_alignment_is_symmetric_and_in_text_order(case):
    text, spans_a, spans_b = case
    a, b = align_spans(spans_a, spans_b, text)
    b2, a2 = align_spans(spans_b, spans_a, text)
    for ours, theirs in ((a, a2), (b, b2)):
        assert ours.offsets.tolist() == theirs.offsets.tolist()
        assert ours.rows.tolist() == theirs.rows.tolist()
    assert len(a) == len(b)
    assert (np.diff(a.offsets) > 0).all()
    assert (np.diff(a.rows) > 0).all()


@settings(max_examples=100, deadline=None)
@given(segmented_texts())
def test_a_segmentation_aligns_with_itself_token_by_token(case):
    text, spans, _ = case
    spans = np.array([s for s in spans if ink_of(text, s)], dtype=np.int64).reshape(-1, 2)
    a, b = align_spans(spans, spans, text)
    assert a.rows.tolist() == b.rows.tolist() == list(range(len(spans)))
    assert len(a) == len(spans)


def test_by_hand():
    """un|believ|able x|y against unbeliev|able xy: two words of two tokens to one, one token to one."""
    text = "unbelievable xy"
    a = np.array([(0, 2), (2, 8), (8, 12), (12, 14), (14, 15)])
    b = np.array([(0, 8), (8, 12), (13, 15)])
    groups_a, groups_b = align_spans(a, b, text)
    assert groups_a.offsets.tolist() == [0, 2, 3, 5]
    assert groups_b.offsets.tolist() == [0, 1, 2, 3]


def test_crossing_tokens_are_one_unit():
    a, b = align_spans(np.array([(0, 3), (3, 6)]), np.array([(0, 2), (2, 6)]), "abcdef")
    assert (len(a), a.rows.tolist(), b.rows.tolist()) == (1, [0, 1], [0, 1])


def test_white_space_inside_a_token_is_not_a_partner():
    a, b = align_spans(np.array([(0, 5)]), np.array([(3, 4)]), "aaa a")
    assert len(a) == len(b) == len(a.rows) == len(b.rows) == 0


def test_white_space_tokens_match_only_each_other():
    text = "ab\n\ncd"
    a = np.array([(0, 2), (2, 4), (4, 6)])
    b = np.array([(0, 2), (2, 3), (3, 4), (4, 6)])
    assert align_spans(a, b, text)[1].offsets.tolist() == [0, 1, 3, 4]
    without = align_spans(a, b[[0, 3]], text)
    assert (without[0].rows.tolist(), without[1].rows.tolist()) == ([0, 2], [0, 1])


def test_bytes_of_one_character_stay_together():
    a = np.array([(0, 1), (0, 1), (0, 1), (1, 2)])
    b = np.array([(0, 1), (1, 2)])
    assert align_spans(a, b, "\u4e16x")[0].offsets.tolist() == [0, 3, 4]


@pytest.fixture(scope="module")
def tokenizers():
    return tiny_models.tokenizer(), tiny_models.tokenizer(kind="metaspace", vocabulary=150, bos=True)


def test_two_real_tokenizers(tokenizers):
    tokens_a, tokens_b = (tokenize(CORPUS, t, max_tokens=64) for t in tokenizers)
    aligned = align_tokens(tokens_a, tokens_b)
    assert aligned.coverage_a > 0.9
    assert aligned.coverage_b > 0.9
    assert 0 < aligned.one_to_one < 1
    assert len(aligned.unit_ids) == len(aligned) == aligned.document_offsets[-1]
    assert len(aligned.document_offsets) == len(CORPUS) + 1
    strings_a = token_strings(tokenizers[0], tokens_a.token_ids)
    for unit, unit_id in enumerate(aligned.unit_ids):
        rows = aligned.groups_a.rows[slice(*aligned.groups_a.offsets[unit : unit + 2])]
        joined = "".join(strings_a[row] for row in rows)
        assert joined.split() == aligned.unit_strings[unit_id].split() or "\ufffd" in joined


def test_padding_counted_as_tokens_is_not_aligned(tokenizers):
    corpus = corpus_of(["the old king", "the sea was free again and again"])
    tokens_a = tokenize(corpus, tokenizers[0], max_tokens=64, mask_padding=False, mask_special=False)
    tokens_b = tokenize(corpus, tokenizers[1], max_tokens=64)
    aligned = align_tokens(tokens_a, tokens_b)
    assert tokens_a.attention_mask[tokens_a.keep][aligned.groups_a.rows].all()


def test_packed_rows_align_like_padded_ones(tokenizers):
    padded = align_tokens(*(tokenize(CORPUS, t, max_tokens=256) for t in tokenizers))
    packed = align_tokens(*(tokenize(CORPUS, t, max_tokens=16, packed=True) for t in tokenizers))
    assert packed.groups_a.rows.tolist() == padded.groups_a.rows.tolist()
    assert packed.unit_strings == padded.unit_strings


def test_what_cannot_be_aligned(tokenizers):
    tokens = tokenize(CORPUS, tokenizers[0], max_tokens=64)
    other = tokenize(corpus_of(["another text"]), tokenizers[1], max_tokens=64)
    with pytest.raises(ModelError, match="different documents"):
        align_tokens(tokens, other)


class Named:
    def __init__(self, name, tokenizer):
        self.name, self.tokenizer = name, tokenizer


def test_equal_tokenizers_are_proven_not_assumed(tokenizers):
    first, second = tokenizers
    again = tiny_models.tokenizer()
    tokens = tokenize(CORPUS, first, max_tokens=20)
    assert tokenizer_difference(first, again, tokens, tokenize(CORPUS, again, max_tokens=20)) is None
    require_equal_tokenizers(Named("one", first), Named("two", again), tokens, tokens)
    with pytest.raises(ModelError, match=r"one and two have different tokenizers \(vocabularies of"):
        require_equal_tokenizers(
            Named("one", first), Named("two", second), tokens, tokenize(CORPUS, second, max_tokens=20)
        )


def test_same_vocabulary_with_other_ids_is_seen(tokenizers):
    first, _ = tokenizers
    tokens = tokenize(CORPUS, first, max_tokens=20)
    split = tiny_models.tokenizer()
    split.backend_tokenizer.normalizer = normalizers.Lowercase()
    reason = tokenizer_difference(first, split, tokens, tokenize(CORPUS, split, max_tokens=20))
    assert "the same vocabulary, but" in reason
    bos = tokenize(CORPUS, first, max_tokens=20, prepend_bos=True)
    assert tokenizer_difference(first, first, tokens, bos) is not None


@st.composite
def matrices_with_groups(draw):
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    gaps = draw(st.lists(st.integers(0, 2), min_size=len(sizes) + 1, max_size=len(sizes) + 1))
    rows, at = [], gaps[0]
    for size, gap in zip(sizes, gaps[1:], strict=True):
        rows += range(at, at + size)
        at += size + gap
    values = draw(st.lists(st.sampled_from([0, 0, 1, -2, 3]), min_size=at * 3, max_size=at * 3))
    dense = np.array(values, dtype=np.float32).reshape(at, 3)
    return dense, Groups(np.append(0, np.cumsum(sizes)), np.array(rows))


@settings(max_examples=200, deadline=None)
@given(matrices_with_groups())
def test_pooling_is_that_of_dense_rows(case):
    dense, groups = case
    parts = [dense[groups.rows[a:b]] for a, b in itertools.pairwise(groups.offsets)]
    csr = sparse.csr_array(dense)
    for how, of_rows in (
        ("last", lambda x: x[-1]),
        ("max", lambda x: x.max(0)),
        ("mean", lambda x: x.mean(0)),
    ):
        pooled = pool_rows(csr, groups, how)
        assert pooled.dtype == np.float32
        np.testing.assert_allclose(pooled.toarray(), [of_rows(part) for part in parts], rtol=1e-6)


def test_unknown_pooling():
    with pytest.raises(InputError, match="median"):
        pool_rows(sparse.csr_array((1, 1)), Groups(np.array([0, 1]), np.array([0])), "median")
