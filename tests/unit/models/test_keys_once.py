"""A key or column of a corpus that is written twice is refused: which of the two was meant can't be told."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from congruence.errors import CorpusError
from congruence.models import load_corpus

GOOD = json.dumps({"text": "one fine day", "about": {"id": 1}})
TWICE = {
    "text": '{"text": "the first", "id": 7, "text": "the second"}',
    "id": '{"id": 1, "text": "the first", "id": 2}',
    "of": '{"text": "the first", "about": {"of": 1, "of": 2}}',
}


@pytest.mark.parametrize("key", TWICE)
@pytest.mark.parametrize("name", ["c.jsonl", "c.json", "list.json"])
def test_a_key_twice_names_file_line_and_key(tmp_path: Path, name: str, key: str) -> None:
    rows = [GOOD, GOOD, TWICE[key]]
    (tmp_path / name).write_text(f"[{', '.join(rows)}]" if name == "list.json" else "\n".join(rows))
    with pytest.raises(CorpusError) as caught:
        load_corpus(tmp_path / name)
    message = str(caught.value)
    assert "\n" not in message
    assert f"the key '{key}' is written twice: leave one out" in message
    assert str(tmp_path / name) in message
    assert name == "list.json" or "line 3" in message


def test_the_same_key_in_different_objects_is_no_fault(tmp_path: Path) -> None:
    row = {"text": "one fine day", "about": {"text": "x", "id": {"text": "y"}}}
    (tmp_path / "c.jsonl").write_text("\n".join([json.dumps(row)] * 3))
    assert len(load_corpus(tmp_path / "c.jsonl").texts) == 3


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("text,id,text\na,1,b\n")
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "c.parquet")
    with pa.OSFile(str(tmp_path / "c.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    for name in ("c.csv", "c.parquet", "c.arrow"):
        with pytest.raises(CorpusError, match=rf"{name}' has the column 'text' twice: leave one out"):
            load_corpus(tmp_path / name)
