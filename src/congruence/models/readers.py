"""Readers of corpus files, one a format."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from congruence.errors import CorpusError
from congruence.models.corpus_text import format_suffix, opened_text, require_content, require_plain
from congruence.registry import Registry
from congruence.strict_files import Twice, once

END_OF_TEXT = "<|endoftext|>"
_BLANK_LINES = re.compile(r"\n(?:[ \t\f\xa0]*\n)+")
_ROWS_AT_ONCE = 1024
_ROWS = json.JSONDecoder(object_pairs_hook=once)
"""Each key once; made once, which is what keeps this as fast as without."""
_LONGEST_FIELD = 1 << 30


@dataclass(frozen=True)
class ReadOptions:
    """How to find the documents in a file.

    Attributes:
        text_column: field of a row that holds the text.
        separator: text between documents; None for the format's own rule.
        in_folder: the file is one of a folder, so that without a separator it is one document.
        encoding: of files that aren't UTF-8; None to refuse them.
    """

    text_column: str = "text"
    separator: str | None = None
    in_folder: bool = False
    encoding: str | None = None


class MissingColumnError(CorpusError):
    """A file holds rows, but none with the text column."""


Reader = Callable[[Path, ReadOptions], Iterator[str]]
READERS: Registry[Reader] = Registry("corpus reader", "corpus_readers")
SUFFIXES = {
    ".txt": "text", ".md": "text", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow",
}  # fmt: skip
"""Suffix -> name of its reader; each may be followed by .gz, .bz2, .xz or .zst, but for the last three."""

_EXTRACT = "extract its text to .txt or .jsonl first"
_REFUSED = {
    **dict.fromkeys((".html", ".htm", ".xhtml", ".xml", ".svg"), f"is markup: {_EXTRACT}"),
    **dict.fromkeys(
        (".pdf", ".doc", ".docx", ".odt", ".rtf", ".epub", ".mobi", ".xls", ".xlsx", ".pptx"),
        f"is a document of another program: {_EXTRACT}",
    ),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), "is an archive: unpack it and name its folder"),
    **dict.fromkeys((".lz4", ".br", ".z", ".lzo"), "is packed: unpack it"),
    **dict.fromkeys(
        (".pkl", ".pickle", ".pt", ".pth", ".npy", ".npz", ".safetensors", ".bin", ".h5", ".hdf5", ".db",
         ".sqlite", ".avro", ".orc", ".tfrecord"),
        "holds no text that is read here: write it as .jsonl or .parquet",
    ),
}  # fmt: skip
"""Suffixes of what is never read as text -> why, and the remedy."""


def reader_name(file: Path) -> str:
    """The name of the reader for a file; what has no known suffix is text.

    Raises:
        CorpusError: such files aren't read.
    """
    suffix = format_suffix(file)
    if suffix in _REFUSED:
        raise CorpusError(f"corpus file {str(file)!r} {_REFUSED[suffix]}")
    name = SUFFIXES.get(suffix, "text")
    if name in ("parquet", "arrow") and file.suffix.lower() != suffix:
        raise CorpusError(f"corpus file {str(file)!r} is packed {suffix}: unpack it")
    return name


def documents_of(file: Path, options: ReadOptions) -> Iterator[str]:
    """The texts of one file, blank ones too.

    Raises:
        CorpusError: it can't be read, or holds none.
    """
    require_content(file)
    return READERS.get(reader_name(file))(file, options)


@READERS.register("text")
def read_text(path: Path, options: ReadOptions) -> Iterator[str]:
    """Documents of a text file, without the white space around them."""
    with opened_text(path, options.encoding) as file:
        text = file.read()
    require_plain(path, text)
    separator = options.separator or (END_OF_TEXT if END_OF_TEXT in text else None)
    if separator is not None:
        parts = text.split(separator)
    else:
        parts = [text] if options.in_folder else _BLANK_LINES.split(text)
    yield from (part.strip() for part in parts)


@READERS.register("jsonl")
def read_jsonl(path: Path, options: ReadOptions) -> Iterator[str]:
    """One JSON object a line."""
    with opened_text(path, options.encoding) as lines:
        for number, line in enumerate(lines, start=1):
            text = line.lstrip("\ufeff").strip()  # files that were joined keep their byte order marks
            if text:
                row = _parsed(text, f"{str(path)!r} isn't readable JSON lines: line {number}")
                yield from _texts([row], options.text_column, f"{path}, line {number}")


@READERS.register("json")
def read_json(path: Path, options: ReadOptions) -> Iterator[str]:
    """A list of objects or texts, or one object a line, as `datasets` and pandas write them."""
    with opened_text(path, options.encoding) as file:
        text = file.read()
    if _is_lines(text):
        yield from read_jsonl(path, options)
        return
    rows = _parsed(text, f"{str(path)!r} isn't readable JSON") if text.strip() else []
    rows = rows if isinstance(rows, list) else [rows]
    if rows and all(isinstance(row, str) or row is None for row in rows):
        rows = [{options.text_column: row} for row in rows]
    for number, row in enumerate(rows, start=1):
        yield from _texts([row], options.text_column, f"{path}, row {number}")


@READERS.register("csv")
def read_csv(path: Path, options: ReadOptions) -> Iterator[str]:
    """One document a row under a line of column names; commas, semicolons or tabs between columns."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    with opened_text(path, options.encoding) as file:
        between, columns = _header(file.readline(), options.text_column)
        if not columns:
            return
        _require_column(columns, options.text_column, path)
        rows = csv.reader(file, delimiter=between, strict=True)
        wanted = columns.index(options.text_column)
        try:
            for row in rows:
                if len(row) not in (0, len(columns)):
                    raise csv.Error(f"{len(row)} columns, not {len(columns)} as named: quote the text")
                yield row[wanted] if row else ""
        except csv.Error as error:
            line = rows.line_num + 1
            raise CorpusError(
                f"corpus file {str(path)!r} isn't readable CSV: line {line}: {error}"
            ) from error


@READERS.register("parquet")
def read_parquet(path: Path, options: ReadOptions) -> Iterator[str]:
    """One document a row, read group by group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
        _require_column(table.schema_arrow.names, options.text_column, path)
        for batch in table.iter_batches(columns=[options.text_column], batch_size=_ROWS_AT_ONCE):
            yield from _texts(batch.to_pylist(), options.text_column, str(path))
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(
            f"corpus file {str(path)!r} isn't readable Parquet: {_first_line(error)}"
        ) from error


@READERS.register("arrow")
def read_arrow(path: Path, options: ReadOptions) -> Iterator[str]:
    """One document a row of an Arrow stream, as `datasets` writes it, or of an Arrow file."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            for batch in _arrow_batches(source):
                _require_column(batch.schema.names, options.text_column, path)
                rows = batch.select([options.text_column]).to_pylist()
                yield from _texts(rows, options.text_column, str(path))
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"corpus file {str(path)!r} isn't readable Arrow: {_first_line(error)}") from error


def text_field(row: object, column: str, where: str) -> str | None:
    """The text of a row, None where it is null.

    Raises:
        MissingColumnError: the row has no such column; names those it has.
        CorpusError: the column holds something else than text.
    """
    if not isinstance(row, dict) or column not in row:
        found = ", ".join(map(str, row)) if isinstance(row, dict) else f"a {type(row).__name__}"
        raise MissingColumnError(f"corpus {where} has no text in column {column!r}: it has {found}")
    value = row[column]
    if value is not None and not isinstance(value, str):
        raise CorpusError(
            f"corpus {where} has no text in column {column!r}: it holds {type(value).__name__}, not a string"
        )
    return value


def _texts(rows: Iterable[object], column: str, where: str) -> Iterator[str]:
    found = (text_field(row, column, where) for row in rows)
    return (text for text in found if text is not None)


def _require_column(names: list[str], column: str, path: Path) -> None:
    text_field(dict.fromkeys(names), column, str(path))
    if names.count(column) > 1:
        raise CorpusError(f"corpus file {str(path)!r} has the column {column!r} twice: leave one out")


def _parsed(text: str, what: str) -> Any:
    try:
        return _ROWS.decode(text)
    except Twice as error:
        raise CorpusError(f"corpus file {what}: {error}: leave one out") from None
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"corpus file {what}: {_first_line(error)}") from error


def _is_lines(text: str) -> bool:
    """Whether JSON text is one object a line: the first line is an object, and another follows."""
    lines = text.lstrip("\ufeff").strip().split("\n", 1)
    if len(lines) < 2 or not lines[0].startswith("{"):
        return False
    try:
        return isinstance(json.loads(lines[0]), dict)
    except (ValueError, RecursionError):
        return False


def _header(line: str, column: str) -> tuple[str, list[str]]:
    """What stands between columns, and their names: the separator under which the text column appears."""
    readings = {between: next(csv.reader([line], delimiter=between), []) for between in ",;\t|"}
    tabs = "\t" if "\t" in line and "," not in line else ","
    chosen = next((between for between, names in readings.items() if column in names), tabs)
    return chosen, readings[chosen]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _arrow_batches(source: Any) -> Iterator[Any]:
    import pyarrow as pa

    try:
        file = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        yield from pa.ipc.open_stream(source)
        return
    for index in range(file.num_record_batches):
        yield file.get_batch(index)
