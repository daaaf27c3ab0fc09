"""Words, pieces and files of concepts."""

import json

import pytest

from congruence.concepts import (
    builtin_concepts,
    check_keywords,
    get_concept,
    make_concept,
    read_concepts,
    resolve_concept,
    token_pieces,
    union,
    write_concepts,
)
from congruence.concepts.pieces import BARRIER
from congruence.concepts.words import fold, joins, split_words, word_spans
from congruence.errors import ConfigError, InputError, StorageError


def words(text):
    return [text[start:end] for start, end in word_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("... — !", []),
        ("a_b _c_ __d__", ["a_b", "c", "d"]),
        (
            "we'll they've I'm it's I'd you're",
            ["we", "ll", "they", "ve", "I", "m", "it", "s", "I", "d", "you", "re"],
        ),
        ("KING'S", ["KING", "S"]),
        ("s'more d'être", ["s'more", "d'être"]),
        ("co\u00adoperate", ["co\u00adoperate"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("1,000 3.5 2nd", ["1", "000", "3", "5", "2nd"]),
        ("ab國cd", ["ab", "國", "cd"]),
        ("\ufffd\ud800", []),
    ],
)
def test_word_spans(text, expected):
    assert words(text) == expected


def test_fold_is_idempotent_and_drops_joiners():
    for word in ("O’Clock", "Straße", "co\u00adoperate", "İstanbul", "cafe\u0301"):
        assert fold(fold(word)) == fold(word)
    assert fold("co\u00adoperate") == "cooperate"
    assert split_words("ice-cream van") == ("ice", "cream", "van")


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (" ", True),
        ("\n", True),
        ("\r\n", True),
        ("", True),
        (" - ", True),
        ("-", True),
        ("–", False),
        (".", False),
        ("\n\n", False),
        ("\x00", False),
    ],
)
def test_joins(gap, expected):
    assert joins(gap) is expected


def test_builtin_lists_are_the_published_ones():
    sizes = {name: len(concept) for name, concept in builtin_concepts().items()}
    assert sizes == {
        "Time": 83,
        "Calendar": 35,
        "People/Roles": 27,
        "Nature": 46,
        "Emotions": 49,
        "MonthNames": 12,
        "Countries": 19,
        "Biology": 29,
    }
    assert set(get_concept("calendar").keywords) < set(get_concept("Time").keywords)
    assert "table 4" in get_concept("Time").source
    with pytest.raises(ConfigError, match="did you mean 'Emotions'"):
        get_concept("Emotion")


def test_builtin_lists_equal_the_shared_ones(shared):
    published = json.loads((shared / "keywords.json").read_text())["concepts"]
    assert {name: list(c.keywords) for name, c in builtin_concepts().items()} == published


@pytest.mark.parametrize("ending", [".json", ".yaml", ".txt"])
def test_lists_survive_writing_and_reading(tmp_path, ending):
    concepts = [make_concept("Zoo", ["lion", "sea horse", "Émeu"], source="me"), get_concept("MonthNames")]
    write_concepts(tmp_path / f"lists{ending}", concepts)
    read = read_concepts(tmp_path / f"lists{ending}")
    assert [(c.name, c.keywords) for c in read] == [(c.name, c.keywords) for c in concepts]
    if ending != ".txt":
        assert [(c.source, c.version, c.provenance) for c in read] == [
            (c.source, c.version, c.provenance) for c in concepts
        ]
    assert resolve_concept(str(tmp_path / f"lists{ending}")) == read


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", '{"Zoo": ["lion"], "Sky": ["sun", "SUN"]}', {"Zoo": ["lion"], "Sky": ["sun"]}),
        ("a.yaml", "Zoo: [lion]\nSky:\n- sun\n", {"Zoo": ["lion"], "Sky": ["sun"]}),
        ("a.yml", "concepts:\n- {name: Zoo, keywords: [lion], source: me}\n", {"Zoo": ["lion"]}),
        ("zoo.txt", "\ufefflion # king\n\n  tiger\n[Sky]\nsun\n", {"zoo": ["lion", "tiger"], "Sky": ["sun"]}),
    ],
)
def test_user_files(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert {c.name: list(c.keywords) for c in read_concepts(tmp_path / name)} == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "isn't valid JSON"),
        ("a.yaml", "Zoo: [", "isn't valid YAML"),
        ("a.yaml", "Zoo: lion", r"write \[joy, glee\]"),
        ("a.yaml", "Zoo: [no]", "put it in quotes"),
        ("a.yaml", "Zoo: []", "no keywords"),
        ("a.yaml", "Zoo: ['--']", "no letter or digit"),
        ("a.yaml", "Zoo: null", "needs a list"),
        ("a.yaml", "1: [one]", "name must be text"),
        ("a.yaml", "- Zoo", "must hold"),
        ("a.yaml", "- {name: Zoo}", "without name or keywords"),
        ("a.yaml", "- {name: Zoo, keyword: [lion]}", "did you mean 'keywords'"),
        ("a.yaml", "Zoo: [lion]\nzoo: [tiger]", "twice"),
        ("a.txt", "# nothing", "holds no concept"),
        ("a.csv", "lion", "must end in"),
    ],
)
def test_broken_files_get_one_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_concepts(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_foreign_and_missing_files(tmp_path):
    (tmp_path / "a.json").write_text('{"kind": "congruence/run", "format_version": 1}')
    with pytest.raises(StorageError, match="congruence/run"):
        read_concepts(tmp_path / "a.json")
    with pytest.raises(InputError, match="doesn't exist"):
        read_concepts(tmp_path / "b.json")
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_concepts(tmp_path / "c.txt")


def test_union_keeps_order_and_sources():
    joined = union("Both", [get_concept("Calendar"), get_concept("Time")])
    assert len(joined) == 83
    assert joined.keywords[:35] == get_concept("Calendar").keywords


def wordpiece():
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocab = ["[UNK]", "the", "king", "##dom", "glee", "##s", "caf", "##e", "(", "jo", "##y"]
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[UNK]"])
    return tokenizer


def test_pieces_of_wordpiece_end_of_word_and_plain_words():
    from tokenizers import Tokenizer, decoders, models

    assert token_pieces(wordpiece())[:4] == [BARRIER, b" the", b" king", b"dom"]
    gpt1 = Tokenizer(models.BPE({"k": 0, "king</w>": 1}, []))
    gpt1.decoder = decoders.BPEDecoder(suffix="</w>")
    assert token_pieces(gpt1) == [b"k", b"king "]
    assert token_pieces(Tokenizer(models.WordLevel({"king": 0, "s": 2}, unk_token="s"))) == [
        b" king",
        BARRIER,
        b" s",
    ]
    with pytest.raises(InputError, match="get_vocab"):
        token_pieces(object())


def test_check_with_wordpiece():
    rows = check_keywords(make_concept("c", ["King", "joy", "café"]), wordpiece())
    assert [row.spaced for row in rows] == [(" king",), (" jo", "y"), (" caf", "e")]
    assert [row.one_token_bare for row in rows] == [True, False, False]


def test_check_with_sentencepiece(shared):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shared / "models" / "stories15M")
    joy, may = check_keywords(make_concept("c", ["joy", "May"]), tokenizer)
    assert (joy.spaced, joy.bare) == ((" joy",), ("jo", "y"))
    assert may.one_token_spaced
    assert may.one_token_bare
