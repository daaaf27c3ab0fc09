"""Text as people have it: every format and packing gives the same documents, or one line with the remedy."""

import bz2
import csv
import gzip
import io
import json
import logging
import lzma

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from congruence.errors import CorpusError
from congruence.models import corpus_of, load_corpus, load_dataset_corpus

A, B = "The first tale, of a fox.", 'The second "tale"\nof a hen\tand more.'
ROWS = [{"id": 1, "text": A}, {"id": 2, "text": None}, {"id": 3, "text": " "}, {"id": 4, "text": B}]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234567\n"


def separated(between):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=between)
    writer.writerows([["id", "text"], *([row["id"], row["text"]] for row in ROWS)])
    return out.getvalue().encode()


def arrow(new):
    table = pa.table({"id": [1, 2, 3, 4], "text": [row["text"] for row in ROWS]})
    sink = io.BytesIO()
    with new(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet():
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [row["text"] for row in ROWS]}), sink)
    return sink.getvalue()


LINES = "\n".join(map(json.dumps, ROWS)).encode()
TEXT = {"a.jsonl": LINES, "a.ndjson": LINES, "lines.json": LINES, "array.json": json.dumps(ROWS, indent=1).encode(),
        "strings.json": json.dumps([A, None, B]).encode(), "a.csv": separated(","), "b.csv": separated(";"),
        "a.tsv": separated("\t"), "a.txt": f"{A}<|endoftext|>{B}".encode()}  # fmt: skip
BINARY = {"stream.arrow": arrow(pa.ipc.new_stream), "file.arrow": arrow(pa.ipc.new_file),
          "a.feather": arrow(pa.ipc.new_file), "a.parquet": parquet()}  # fmt: skip
PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
           ".zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True)}  # fmt: skip


@pytest.mark.parametrize("name", TEXT | BINARY)
def test_every_format_gives_the_same_documents(tmp_path, name):
    (tmp_path / name).write_bytes((TEXT | BINARY)[name])
    assert load_corpus(tmp_path / name).texts == (A, B)


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", TEXT)
def test_packed_files_are_read_as_they_are(tmp_path, name, suffix):
    file = tmp_path / (name + suffix)
    file.write_bytes(PACKERS[suffix](TEXT[name]))
    assert load_corpus(file).texts == (A, B)
    file.write_bytes(PACKERS[suffix](TEXT[name])[:-9])
    refused(file, "can't be read|isn't readable")


def refused(path, match, **options):
    with pytest.raises(CorpusError, match=match) as caught:
        load_corpus(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.html", b"<p>x</p>", "is markup: extract"),
        ("a.pdf", b"%PDF-1.4", "another program: extract"),
        ("a.docx", b"PK\x03\x04", "another program"),
        ("a.tar.gz", gzip.compress(b"x", mtime=0), "is an archive: unpack"),
        ("a.zip", b"PK\x03\x04", "is an archive"),
        ("a.pkl", b"\x80\x04", "holds no text"),
        ("a.txt", b"<!DOCTYPE html><p>x", "is HTML or XML"),
        ("a.txt", b"%PDF-1.4", "is PDF"),
        ("a.txt", parquet(), "is Parquet: name it .parquet"),
        ("a.txt", gzip.compress(b"x", mtime=0), "packed with gzip: name it .gz"),
        ("a.txt", LINES, "holds JSON lines: name it .jsonl"),
        ("a.parquet.gz", gzip.compress(parquet(), mtime=0), "packed .parquet: unpack it"),
        ("a.jsonl", b'{"text": "one"}\n{"text": "tw', "line 2: Unterminated"),
        ("a.jsonl", b'{"text": ["one"]}', "line 1 .*holds list, not a string"),
        ("a.jsonl", b'{"text": "x", "a": ' + b"[" * 100_000, "line 1"),
        ("a.json", b'{"text": "x", "n": ' + b"9" * 5_000 + b"}", "isn't readable JSON"),
        ("a.json", b'{"data": [{"text": "x"}]}', "has no text in column 'text': it has data"),
        ("a.csv", b"id,text\n1,one\n2,two, and more\n", "line 3: 3 columns, not 2"),
        ("a.csv", b'id,text\n1,"one\n2,two\n', "isn't readable CSV"),
        ("a.csv", b"id,body\n1,one\n", "it has id, body"),
        ("a.arrow", b"ARROW1\0\0", "isn't readable Arrow"),
        *((name, LFS, "is a Git LFS pointer: fetch its content by `git lfs pull`")
          for name in ("a.txt", "a.jsonl", "a.json", "a.csv", "a.parquet", "a.arrow", "a.txt.gz")),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_with_the_remedy(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, match)


def test_long_fields_of_csv(tmp_path):
    (tmp_path / "a.csv").write_text(f"text\n{'word ' * 60_000}\n")
    assert len(load_corpus(tmp_path / "a.csv").texts[0]) == 300_000


# encodings


def test_a_byte_that_is_not_utf8_names_the_file_and_offers_encoding(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"Märchen {name}")
    (tmp_path / "b.txt").write_bytes("Füchse".encode("latin-1"))
    assert "b.txt" in refused(tmp_path, "encoding: latin-1")
    assert load_corpus(tmp_path, encoding="latin-1").texts == ("Märchen a", "Füchse", "Märchen c")


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "shift-jis", "iso2022_jp"]
)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json", "a.csv"])
def test_encoding(tmp_path, name, encoding):
    text = "\u4e16\u754c" if encoding in ("shift-jis", "iso2022_jp") else "Märchen"
    text = "Marchen" if encoding == "utf-16-le" else text
    rows = json.dumps({"text": text}, ensure_ascii=False)
    content = {"a.txt": text, "a.jsonl": rows, "a.json": f"[{rows}]", "a.csv": f"text\n{text}\n"}[name]
    (tmp_path / name).write_bytes(content.encode(encoding))
    assert load_corpus(tmp_path / name, encoding=encoding).texts == (text,)


def test_a_byte_order_mark_says_which_encoding(tmp_path):
    (tmp_path / "a.txt").write_text("one", encoding="utf-16")
    refused(tmp_path / "a.txt", "encoding: utf-16")


@pytest.mark.parametrize("encoding", ["latin9x", "rot13", "hex"])
def test_unknown_encoding(tmp_path, encoding):
    (tmp_path / "a.txt").write_text("one")
    refused(tmp_path / "a.txt", "isn't known: write e.g. latin-1", encoding=encoding)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_lone_surrogates_become_a_replacement_with_a_note(tmp_path, name, caplog):
    (tmp_path / name).write_text('{"text": "hello \\ud83d and \\ud83d\\ude00"}')
    with caplog.at_level(logging.WARNING):
        assert load_corpus(tmp_path / name).texts == ("hello \ufffd and \U0001f600",)
    assert "1 broken character" in caplog.text
    assert corpus_of(["a\udc00"]).texts == ("a\ufffd",)


# folders


def write(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pq.write_table(pa.table(content), path)
        else:
            path.write_text(content)
    return folder


CARD = {
    "README_dot_md": "---\nlicense: mit\n---\n# Tales",
    "LICENSE_dot_md": "Permission",
    "LICENSE_dot_txt": "P",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"data__train-0_dot_parquet": {"text": [A]}, "data__test-0_dot_parquet": {"text": [B]}}, (A,)),
        ({"train__0_dot_parquet": {"text": [A]}, "validation__0_dot_parquet": {"text": [B]}}, (A,)),
        ({"wiki_dot_train_dot_txt": A, "wiki_dot_valid_dot_txt": B}, (A,)),
        ({"test_dot_jsonl": json.dumps({"text": B}), "dev_dot_jsonl": json.dumps({"text": A})}, (A,)),
        ({"train-0_dot_parquet": {"text": [A]}, "train-1_dot_parquet": {"text": [B]}}, (A, B)),
        ({"a_dot_jsonl": json.dumps({"text": A}), "metadata_dot_jsonl": json.dumps({"rows": 1})}, (A,)),
        ({"a_dot_jsonl": json.dumps({"text": A}), "files_dot_txt": "a.jsonl", "about_dot_md": "# x"}, (A,)),
        ({"a_dot_txt": A, "catalog_dot_csv": "id,title\n1,x\n", "config_dot_json": "{}"}, (A,)),
        ({"a_dot_txt": A, "test of time_dot_txt": "another"}, (A, "another")),
    ],
)
def test_folder_gives_its_data_and_one_split(tmp_path, files, expected):
    assert load_corpus(write(tmp_path, **CARD, **files)).texts == expected


def test_split_that_is_asked_for(tmp_path):
    folder = write(tmp_path, train_dot_txt=A, valid_dot_txt=B)
    assert load_corpus(folder, split="validation").texts == (B,)
    refused(folder, "no split 'test': it has train, validation", split="test")
    single = write(tmp_path / "one", a_dot_txt=A)
    assert load_corpus(single, split="train").texts == (A,)
    refused(single, "it has no splits", split="test")


def test_folder_where_no_file_has_the_column(tmp_path):
    refused(write(tmp_path, a_dot_jsonl='{"body": "x"}', b_dot_csv="c\n1\n"), "it has body")


def test_folder_of_what_is_not_read(tmp_path):
    refused(write(tmp_path, a_dot_html="x", b_dot_html="y"), "holds no .txt.*: 2 .html")


def test_folder_saved_by_datasets(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "data-00000-of-00001.arrow").write_bytes(BINARY["stream.arrow"])
        (tmp_path / split / "state.json").write_text('{"_split": null}')
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert load_corpus(tmp_path).texts == (A, B)


def test_links_are_read_by_their_own_names_and_loops_end(tmp_path):
    place = tmp_path / "datasets--acme--tales"
    snapshot = place / "snapshots" / "c0ffee"
    (place / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (place / "blobs" / "00ff").write_bytes(BINARY["a.parquet"])
    (snapshot / "train.parquet").symlink_to(place / "blobs" / "00ff")
    (snapshot / "again").symlink_to(snapshot)
    for path in (place, snapshot, snapshot / "train.parquet"):
        assert load_corpus(path).texts == (A, B)


def test_a_name_of_the_hub_is_offered_as_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("Skylion007/openwebtext", "write `dataset: Skylion007/openwebtext`")
    refused("texts.jsonl", f"doesn't exist in {tmp_path}")


def test_nulls_and_blanks_count_alike_for_paths_and_data_sets(tmp_path):
    pytest.importorskip("datasets")
    texts = [None, "", A, " ", None, B, "three"]
    write(tmp_path, **{"data__train-0_dot_parquet": {"text": texts}})
    assert load_dataset_corpus(str(tmp_path), documents=2).texts == (A, B)
    assert load_corpus(tmp_path, documents=2).texts == (A, B)
