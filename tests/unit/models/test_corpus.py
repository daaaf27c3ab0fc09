"""Documents of files and folders, and one line for every corpus that can't be used."""

import json

import pandas as pd
import pytest

from congruence.errors import CorpusError
from congruence.models import corpus_of, load_corpus, load_dataset_corpus


def texts(path, **options):
    return load_corpus(path, **options).texts


def test_end_of_text_separates(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\nstill one\n<|endoftext|>\ntwo\n<|endoftext|>\n")
    assert texts(tmp_path / "a.txt") == ("one\n\nstill one", "two")


def test_blank_lines_separate_where_nothing_else_does(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\nstill one\r\n\r\n \t\r\ntwo\n\n\n\nthree")
    assert texts(tmp_path / "a.txt") == ("one\nstill one", "two", "three")


def test_declared_separator_wins(tmp_path):
    (tmp_path / "a.txt").write_text("one<|endoftext|>\n---\ntwo\n\nthree")
    assert texts(tmp_path / "a.txt", separator="---") == ("one<|endoftext|>", "two\n\nthree")


def test_folder_of_texts_has_a_document_a_file(tmp_path):
    (tmp_path / "b.txt").write_text("two\n\nstill two")
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.txt").write_text("three<|endoftext|>four")
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert texts(tmp_path) == ("one", "two\n\nstill two", "three", "four")


def test_jsonl_and_parquet(tmp_path):
    rows = [{"text": "one", "n": 1}, {"text": "two", "n": 2}, {"text": "", "n": 3}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    assert texts(tmp_path / "a.jsonl") == texts(tmp_path / "a.parquet") == ("one", "two")
    other = pd.DataFrame({"content": ["x", None, "y"]})
    other.to_parquet(tmp_path / "b.parquet")
    assert texts(tmp_path / "b.parquet", text_column="content") == ("x", "y")


def test_documents_are_the_first_that_hold_text(tmp_path):
    (tmp_path / "a.txt").write_text("<|endoftext|>".join(["  ", "one", "", "two", "three"]))
    assert texts(tmp_path / "a.txt", documents=2) == ("one", "two")


def test_only_as_much_is_read_as_asked_for(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\nbroken\n')
    assert texts(tmp_path / "a.jsonl", documents=1) == ("one",)


def test_key_is_of_the_texts(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("one\n\ntwo")
    assert load_corpus(tmp_path / "a.txt").key == load_corpus(tmp_path / "b.txt").key
    assert corpus_of(["one", "two"]).key != corpus_of(["onetwo"]).key


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("empty.txt", b"", "is empty"),
        ("blank.txt", b" \n\n\t\n<|endoftext|>", "is empty"),
        ("binary.txt", b"\xff\xfe\x00\x01", "UTF-8"),
        ("empty.jsonl", b"", "is empty"),
        ("broken.jsonl", b'{"text": "one"}\n{"text": ', "JSON lines"),
        ("list.jsonl", b"[1, 2]\n", "line 1.*'text'.*list"),
        ("other.jsonl", b'{"content": "one", "id": 3}\n', "'text': it has content, id"),
        ("number.jsonl", b'{"text": 3}\n', "'text'"),
        ("broken.parquet", b"PAR1 and nothing", "Parquet"),
    ],
)
def test_unusable_file(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=match) as caught:
        load_corpus(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_parquet_without_the_column(tmp_path):
    pd.DataFrame({"content": ["x"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="it has content"):
        load_corpus(tmp_path / "a.parquet")


def test_parquet_column_of_numbers(tmp_path):
    pd.DataFrame({"text": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="'text'"):
        load_corpus(tmp_path / "a.parquet")


def test_nothing_there(tmp_path):
    with pytest.raises(CorpusError, match="doesn't exist"):
        load_corpus(tmp_path / "nope")
    with pytest.raises(CorpusError, match=r"holds no .*\.txt"):
        load_corpus(tmp_path)


def test_no_documents_asked_for():
    with pytest.raises(CorpusError, match="at least 1"):
        load_corpus(__file__, documents=0)


def test_dataset_that_cannot_be_reached():
    with pytest.raises(CorpusError, match="nobody/none"):
        load_dataset_corpus("nobody/none", documents=1)


def test_dataset_is_streamed_from_local_files(tmp_path):
    pytest.importorskip("datasets")
    (tmp_path / "train.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n')
    assert load_dataset_corpus(str(tmp_path), documents=2).texts == ("one", "two")
    with pytest.raises(CorpusError, match="it has text"):
        load_dataset_corpus(str(tmp_path), documents=2, text_column="body")
