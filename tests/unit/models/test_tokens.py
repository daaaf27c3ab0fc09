"""Rows of token ids: what is kept, which document it is of, and that nothing is lost or invented."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

import tiny_models
from congruence.errors import CorpusError, ModelError
from congruence.models import corpus_of, token_strings, tokenize

CORPUS = corpus_of(tiny_models.TEXTS[:4])


@pytest.fixture(scope="module")
def plain():
    return tiny_models.tokenizer()


@pytest.fixture(scope="module")
def with_bos():
    return tiny_models.tokenizer(bos=True)


def naive(tokenizer, length):
    return [tokenizer(text, add_special_tokens=False)["input_ids"][:length] for text in CORPUS.texts]


def joined(rows):
    return [token_id for row in rows for token_id in row]


def test_one_row_a_document(plain):
    tokens = tokenize(CORPUS, plain, max_tokens=20)
    expected = naive(plain, 20)
    assert tokens.token_ids.tolist() == joined(expected)
    assert tokens.document_offsets.tolist() == np.cumsum([0, *map(len, expected)]).tolist()
    assert tokens.documents.tolist() == [i for i, row in enumerate(expected) for _ in row]
    assert (tokens.attention_mask.sum(axis=1) == [len(row) for row in expected]).all()


def test_padding_is_not_kept(plain):
    corpus = corpus_of(["a longer document than the other", "a"])
    tokens = tokenize(corpus, plain, max_tokens=64)
    assert not tokens.keep[1, 1:].any()
    published = tokenize(corpus, plain, max_tokens=64, mask_padding=False)
    assert published.keep.all()
    assert published.document_offsets.tolist() == [0, tokens.length, 2 * tokens.length]


def test_bos_is_there_and_not_kept(with_bos):
    tokens = tokenize(CORPUS, with_bos, max_tokens=21)
    assert (tokens.input_ids[:, 0] == with_bos.bos_token_id).all()
    assert tokens.attention_mask[:, 0].all()
    assert not tokens.keep[:, 0].any()
    assert tokens.token_ids.tolist() == joined(naive(with_bos, 20))
    assert tokenize(CORPUS, with_bos, max_tokens=21, mask_special=False).keep[:, 0].all()


def test_bos_asked_for_or_not(plain, with_bos):
    asked = tokenize(CORPUS, plain, max_tokens=21, prepend_bos=True)
    natural = tokenize(CORPUS, with_bos, max_tokens=21)
    assert np.array_equal(asked.input_ids, natural.input_ids)
    assert np.array_equal(asked.keep, natural.keep)
    assert np.array_equal(asked.spans, natural.spans)
    without = tokenize(CORPUS, with_bos, max_tokens=20, prepend_bos=False)
    assert np.array_equal(without.input_ids, tokenize(CORPUS, plain, max_tokens=20).input_ids)
    assert tokenize(CORPUS, with_bos, max_tokens=21, prepend_bos=True).key == natural.key


def test_documents_are_cut_at_their_end(plain):
    left = tiny_models.tokenizer()
    left.truncation_side = left.padding_side = "left"
    assert np.array_equal(
        tokenize(CORPUS, left, max_tokens=20).input_ids, tokenize(CORPUS, plain, max_tokens=20).input_ids
    )
    assert left.truncation_side == "left"


def test_no_bos_to_prepend(plain):
    plain = tiny_models.tokenizer()
    plain.bos_token = None
    with pytest.raises(ModelError, match="no BOS"):
        tokenize(CORPUS, plain, max_tokens=20, prepend_bos=True)


@pytest.mark.parametrize("bos", [True, False])
def test_packed_rows_hold_every_token_once_in_order(plain, with_bos, bos):
    tokenizer = with_bos if bos else plain
    tokens = tokenize(CORPUS, tokenizer, max_tokens=16, packed=True)
    expected = naive(tokenizer, None)
    assert tokens.token_ids.tolist() == joined(expected)
    assert np.diff(tokens.document_offsets).tolist() == [len(row) for row in expected]
    assert tokens.attention_mask[:-1].all()
    assert tokens.length == 16
    assert (tokens.input_ids[:, 0] == tokenizer.bos_token_id).all() == bos
    separators = tokens.input_ids[tokens.attention_mask] == tokenizer.eos_token_id
    assert separators.sum() == len(expected)


def test_special_tokens_in_the_text_are_not_kept(plain):
    tokens = tokenize(corpus_of(["one</s>two"]), plain, max_tokens=20)
    assert plain.eos_token_id in tokens.input_ids
    assert plain.eos_token_id not in tokens.token_ids


def test_unknown_tokens_are_text():
    tokenizer = tiny_models.tokenizer(kind="metaspace")
    tokens = tokenize(corpus_of(["the \u4e16\u754c sea"]), tokenizer, max_tokens=20)
    assert tokenizer.unk_token_id in tokens.token_ids


def test_spans_are_the_characters_of_each_token(plain):
    tokens = tokenize(corpus_of([CORPUS.texts[0]]), plain, max_tokens=64)
    pieces = token_strings(plain, tokens.token_ids)
    text = CORPUS.texts[0]
    assert "".join(pieces) == text
    for piece, (start, stop) in zip(pieces, tokens.kept_spans, strict=True):
        assert text[start:stop].strip() == piece.strip()


def test_document_without_tokens_gives_no_row():
    tokenizer = tiny_models.tokenizer(kind="metaspace")
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("zzz", "")
    tokens = tokenize(corpus_of(["zzz", "the old king", "zzz", "a child"]), tokenizer, max_tokens=20)
    assert len(tokens.document_offsets) == len(np.unique(tokens.documents)) + 1
    assert tokens.document_offsets[-1] == tokens.n
    assert (np.diff(tokens.document_offsets) > 0).all()


def test_key_changes_with_what_is_kept(plain):
    keys = {
        tokenize(CORPUS, plain, max_tokens=60).key,
        tokenize(CORPUS, plain, max_tokens=21).key,
        tokenize(CORPUS, plain, max_tokens=60, mask_padding=False).key,
        tokenize(CORPUS, plain, max_tokens=60, packed=True).key,
    }
    assert len(keys) == 4
    assert tokenize(CORPUS, plain, max_tokens=60).key in keys


@pytest.mark.parametrize("packed", [True, False])
def test_too_short_a_corpus(with_bos, packed):
    with pytest.raises(CorpusError, match=r"1 token\(s\) in 1 document"):
        tokenize(corpus_of(["a"]), with_bos, max_tokens=20, packed=packed)


def test_too_short_a_row(plain):
    with pytest.raises(CorpusError, match="max_tokens is 1"):
        tokenize(CORPUS, plain, max_tokens=1)


def test_batches_cover_every_row_once(plain):
    tokens = tokenize(CORPUS, plain, max_tokens=20)
    rows = [i for batch in tokens.batches(45) for i in range(len(tokens.keep))[batch]]
    assert rows == list(range(4))
    assert len(list(tokens.batches(1))) == 4


@pytest.mark.parametrize("kind", ["bytes", "metaspace"])
def test_token_strings_put_the_text_together_again(kind):
    tokenizer = tiny_models.tokenizer(kind=kind)
    text = "The old king looked at the sea."
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert "".join(token_strings(tokenizer, ids)).strip() == text


def test_token_strings_of_odd_tokens(plain):
    newline = plain("\n", add_special_tokens=False)["input_ids"]
    half = plain("\u4e16", add_special_tokens=False)["input_ids"][:1]
    assert token_strings(plain, [*newline, *half, plain.eos_token_id, -1]) == ["\n", "\ufffd", "</s>", ""]
    assert token_strings(plain, np.array([], dtype=np.int64)) == []


LETTERS = "the king, sea  e\u0301 \u4e16\u754c\U0001f469\u200d\U0001f469 a-b 'll 12345\n\n\tzzz"


def tokenizers():
    from transformers import PreTrainedTokenizerFast

    built = {kind: tiny_models.tokenizer(kind=kind, bos=kind == "bytes") for kind in ("bytes", "metaspace")}
    for name, model, trainer in (
        ("unigram", models.Unigram(), trainers.UnigramTrainer),
        ("wordpiece", models.WordPiece(unk_token="<unk>"), trainers.WordPieceTrainer),
    ):
        raw = Tokenizer(model)
        raw.pre_tokenizer = pre_tokenizers.Metaspace() if name == "unigram" else pre_tokenizers.Whitespace()
        options = {"unk_token": "<unk>"} if name == "unigram" else {}
        special = ["<unk>", "<s>", "</s>"]
        raw.train_from_iterator(
            tiny_models.TEXTS,
            trainer(vocab_size=200, special_tokens=special, show_progress=False, **options),
        )
        built[name] = PreTrainedTokenizerFast(
            tokenizer_object=raw, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
        )
    return built


@pytest.mark.parametrize("kind", ["bytes", "metaspace", "unigram", "wordpiece"])
def test_long_documents_give_the_tokens_of_the_whole(kind):
    tokenizer = tokenizers()[kind]
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list(LETTERS), n)) for n in (3, 100, 500, 4097, 9000, 30_000)]
    texts += ["a" * 50_000, " " * 30_000 + "the old king", tiny_models.TEXTS[0] * 600]
    for max_tokens in (2, 5, 40, 600):
        tokens = tokenize(corpus_of(texts), tokenizer, max_tokens=max_tokens)
        for index in np.unique(tokens.document):
            here = (tokens.document == index) & tokens.attention_mask
            whole = tokenizer(
                texts[index], truncation=True, max_length=max_tokens, return_offsets_mapping=True
            )
            assert tokens.input_ids[here].tolist() == whole["input_ids"]
            assert tokens.spans[here].tolist() == [list(span) for span in whole["offset_mapping"]]


def test_no_more_of_a_long_document_is_tokenized_than_is_needed(plain):
    read = []

    class Counting:
        def __getattr__(self, name):
            return getattr(plain, name)

        def __call__(self, texts, **options):
            read.extend([texts] if isinstance(texts, str) else texts)
            return plain(texts, **options)

    tokens = tokenize(corpus_of([CORPUS.texts[0] * 20_000, "one two"]), Counting(), max_tokens=50)
    assert tokens.attention_mask.sum(axis=1).max() == 50
    assert sum(map(len, read)) < 20_000
