"""Readers of corpus files, one a format."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from congruence.errors import CorpusError
from congruence.registry import Registry

END_OF_TEXT = "<|endoftext|>"
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")


@dataclass(frozen=True)
class ReadOptions:
    """How to find the documents in a file.

    Attributes:
        text_column: field of a row that holds the text.
        separator: text between documents; None for the format's own rule.
        in_folder: the file is one of a folder, so that without a separator it is one document.
    """

    text_column: str = "text"
    separator: str | None = None
    in_folder: bool = False


Reader = Callable[[Path, ReadOptions], Iterator[str]]
READERS: Registry[Reader] = Registry("corpus reader", "corpus_readers")
SUFFIXES = {".txt": "text", ".md": "text", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@READERS.register("text")
def read_text(path: Path, options: ReadOptions) -> Iterator[str]:
    """Documents of a text file, without the white space around them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"corpus file {str(path)!r} isn't readable UTF-8 text: {error}") from error
    separator = options.separator or (END_OF_TEXT if END_OF_TEXT in text else None)
    if separator is not None:
        parts = text.split(separator)
    else:
        parts = [text] if options.in_folder else _BLANK_LINES.split(text)
    yield from (part.strip() for part in parts)


@READERS.register("jsonl")
def read_jsonl(path: Path, options: ReadOptions) -> Iterator[str]:
    """One JSON object a line."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield text_field(json.loads(line), options.text_column, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CorpusError(f"corpus file {str(path)!r} isn't readable JSON lines: {error}") from error


@READERS.register("parquet")
def read_parquet(path: Path, options: ReadOptions) -> Iterator[str]:
    """One document a row, read group by group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
        if options.text_column not in table.schema_arrow.names:
            text_field(dict.fromkeys(table.schema_arrow.names), options.text_column, str(path))
        for batch in table.iter_batches(columns=[options.text_column], batch_size=1024):
            rows = (row for row in batch.to_pylist() if row[options.text_column] is not None)
            yield from (text_field(row, options.text_column, str(path)) for row in rows)
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"corpus file {str(path)!r} isn't readable Parquet: {error}") from error


def text_field(row: object, column: str, where: str) -> str:
    """The text of a row; :class:`CorpusError` names the columns there are."""
    value = row.get(column) if isinstance(row, dict) else None
    if not isinstance(value, str):
        found = ", ".join(map(str, row)) if isinstance(row, dict) else type(row).__name__
        raise CorpusError(f"corpus {where} has no text in column {column!r}: it has {found}")
    return value
