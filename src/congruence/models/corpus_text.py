"""Files of text as they lie on disk: packed or not, in UTF-8 or not, and what only looks like text."""

import bz2
import codecs
import gzip
import io
import json
import logging
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from congruence.errors import CorpusError

log = logging.getLogger(__name__)

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MAGIC = {
    b"PAR1": "Parquet: name it .parquet",
    b"ARROW1": "Arrow: name it .arrow",
    b"\x1f\x8b": "packed with gzip: name it .gz after its own suffix, e.g. .txt.gz",
    b"\x28\xb5\x2f\xfd": "packed with zstd: name it .zst after its own suffix, e.g. .jsonl.zst",
    b"%PDF": "PDF: extract its text first",
    b"PK\x03\x04": "a zip archive (or a docx, epub or xlsx): extract its text first",
    b"\xd0\xcf\x11\xe0": "an Office document: extract its text first",
    b"SQLite format 3": "an SQLite database: export its text first",
}
_MARKUP = (b"<!doctype html", b"<html", b"<?xml")
_NEVER_UTF8 = ("utf7", "iso2022", "hz")
_BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error)


def _open_zstd(path: Path) -> io.BufferedReader:
    import pyarrow as pa

    stream: Any = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return io.BufferedReader(stream)


COMPRESSIONS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _open_zstd, ".zstd": _open_zstd,
}  # fmt: skip
"""Suffix -> how such a file is opened, unpacked while it is read."""


def format_suffix(path: Path) -> str:
    """The suffix that tells a file's format, by the name it was given: `.jsonl` of `a.jsonl.gz`."""
    name = Path(path.name)
    return Path(name.stem).suffix.lower() if name.suffix.lower() in COMPRESSIONS else name.suffix.lower()


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is what Git leaves in place of a large one that wasn't fetched."""
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def require_content(path: Path) -> None:
    """Refuse a file that only points to its content.

    Raises:
        CorpusError: it is a Git LFS pointer, or can't be opened.
    """
    try:
        pointer = is_lfs_pointer(path)
    except OSError as error:
        raise CorpusError(f"corpus file {str(path)!r} can't be read: {error.strerror or error}") from error
    if pointer:
        raise CorpusError(
            f"corpus file {str(path)!r} is a Git LFS pointer: fetch its content by `git lfs pull`"
        )


@contextmanager
def opened_text(path: Path, encoding: str | None) -> Iterator[IO[str]]:
    """A file's text, line ends unified, a byte order mark left out.

    Args:
        path: the file.
        encoding: of a file that isn't UTF-8; None to refuse such a file.

    Raises:
        CorpusError: it isn't text in UTF-8 or in `encoding`, or can't be unpacked.
    """
    with _named(path), _opened(path) as file:
        _require_text(path, file.peek(512)[:512])
    chosen = encoding if encoding and not _is_utf8(path, encoding) else "utf-8-sig"
    if chosen == encoding:
        log.info("corpus file %s is read as %s", path, encoding)
    with _named(path), io.TextIOWrapper(_opened(path), encoding=chosen) as text:
        yield text


def require_plain(path: Path, text: str) -> None:
    """Refuse text that is rows of JSON under another name.

    Raises:
        CorpusError: the first lines are JSON objects.
    """
    lines = [line for line in text[:100_000].splitlines()[:50] if line.strip()][:2]
    if lines and all(line.lstrip().startswith("{") and _is_json(line) for line in lines):
        raise CorpusError(f"corpus file {str(path)!r} holds JSON lines: name it .jsonl")


def known_encoding(encoding: str | None) -> None:
    """Refuse a name that is no encoding of text.

    Raises:
        CorpusError: Python knows no such encoding.
    """
    try:
        "".encode(encoding or "utf-8")
    except LookupError:
        raise CorpusError(
            f"encoding {encoding!r} isn't known: write e.g. latin-1, cp1252, utf-16 or shift-jis"
        ) from None


def _opened(path: Path) -> Any:
    file = COMPRESSIONS.get(path.suffix.lower(), lambda p: p.open("rb"))(path)
    return file if hasattr(file, "peek") else io.BufferedReader(file)


def _is_utf8(path: Path, encoding: str) -> bool:
    """Whether a file can be taken for UTF-8 though another encoding was named for those that aren't."""
    name = codecs.lookup(encoding).name.replace("-", "").replace("_", "")
    if name.startswith(_NEVER_UTF8):
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _named(path), _opened(path) as file:
        try:
            while chunk := file.read(1 << 20):
                if b"\0" in chunk:
                    return False
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _require_text(path: Path, first: bytes) -> None:
    kind = next((kind for magic, kind in _MAGIC.items() if first.startswith(magic)), None)
    if first.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_MARKUP):
        kind = "HTML or XML: extract its text first"
    if kind is not None:
        raise CorpusError(f"corpus file {str(path)!r} is {kind}")


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever goes wrong while a file is unpacked and decoded, as one line that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        advice = "utf-16" if error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "latin-1"
        tried = "UTF-8 text" if error.encoding.startswith("utf-8") else f"text in {error.encoding}"
        raise CorpusError(
            f"corpus file {str(path)!r} isn't {tried} (byte 0x{byte:02x}): "
            f"name its encoding, e.g. `encoding: {advice}`, or convert it"
        ) from error
    except _BROKEN as error:
        raise CorpusError(f"corpus file {str(path)!r} can't be read: {error}") from error
