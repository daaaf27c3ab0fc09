"""Stored data are checked before they are believed: one way to write them down, one to open them.

An artefact is a JSON record that says its kind, the version of its format, and size and checksum of every
file that belongs to it; its own checksum stands at its end, over all bytes before. What isn't whole is set
aside beside its place, said so in one line, and made again; what a newer version wrote is refused.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from congruence.errors import StorageError
from congruence.storage import elsewhere
from congruence.storage.atomic import write_bytes
from congruence.storage.stamps import file_stamp, settled

logger = logging.getLogger(__name__)

T = TypeVar("T")

_DIGEST_BYTES = 16
_TAIL = b',\n  "checksum": "%s"\n}\n'
_TAIL_BYTES = len(_TAIL) - 2 + 2 * _DIGEST_BYTES
_checked: dict[Path, tuple[list[int], str]] = {}
"""Stamp and digest of files that this process has read through, so that each is read once."""


class NotWhole(StorageError):
    """Stored data lack a part, or aren't the bytes that were written."""


class OtherKind(StorageError):
    """Something else lies where stored data should."""


class Older(StorageError):
    """Stored data are in a format that this version no longer reads."""


@dataclass(frozen=True)
class Artefact:
    """A record that was written down, opened and found as it was written.

    Attributes:
        path: the record.
        record: what it says.
    """

    path: Path
    record: dict[str, Any]

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Size and digest of every file that belongs to it, by its path relative to the record's folder."""
        return self.record.get("files") or {}

    def place(self, name: str) -> Path:
        """Where one of its files lies."""
        return self.path.parent / name

    def read(self, name: str) -> bytes:
        """One of its files, as it was written.

        Raises:
            NotWhole: it isn't there, or isn't what was written.
        """
        told, path = self._told(name), self.place(name)
        with _readable(path):
            content = path.read_bytes()
        if len(content) != told["bytes"] or _digest(content) != told["blake2b"]:
            raise NotWhole(f"{path} isn't what was written")
        return content

    def check(self, *names: str) -> None:
        """The same proof without the bytes: a file is read once a process while its stamp stays as it is.

        Args:
            names: files to check; none: all of them.

        Raises:
            NotWhole: one isn't there, or isn't what was written.
        """
        for name in names or self.files:
            told, path = self._told(name), self.place(name)
            with _readable(path):
                whole = path.is_file() and path.stat().st_size == told["bytes"]
                whole = whole and digest_of(path) == told["blake2b"]
            if not whole:
                raise NotWhole(f"{path} isn't what was written")

    def _told(self, name: str) -> dict[str, Any]:
        if name not in self.files:
            raise NotWhole(f"{self.path} says nothing of {name}")
        return self.files[name]


def header(kind: str, format_version: int) -> dict[str, Any]:
    """The two fields that every artefact's JSON starts with."""
    return {"kind": f"congruence/{kind}", "format_version": format_version}


def check_header(record: Any, kind: str, format_version: int, path: "Path | str") -> None:
    """Refuse what another tool or a newer congruence wrote.

    Raises:
        OtherKind: `record` isn't of this kind.
        NotWhole: its version is no number.
        StorageError: its format is newer than this version reads.
    """
    found = record.get("kind") if isinstance(record, dict) else None
    if found != f"congruence/{kind}":
        raise OtherKind(f"{path} holds {found!r}, not 'congruence/{kind}': name another folder")
    version = record.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise NotWhole(f"{path} has format {version!r}, which is no version")
    if version > format_version:
        raise StorageError(
            f"{path} has format {version}, newer than this congruence reads "
            f"({format_version}): upgrade congruence"
        )


def write_artefact(
    path: Path,
    kind: str,
    format_version: int,
    record: Mapping[str, Any],
    *,
    files: Iterable[str] = (),
    place: str | None = None,
) -> None:
    """Write a record down, atomically, with size and digest of its files, which must be there already.

    Args:
        path: of the record.
        kind, format_version: of the artefact.
        record: JSON-like, numpy numbers and arrays included.
        files: that belong to it, relative to the record's folder.
        place: the name under which it is looked for, where that says what it is.

    Raises:
        StorageError: it can't be written.
    """
    told = {}
    for name in sorted(files):
        file = path.parent / name
        with _readable(file):
            told[name] = {"bytes": file.stat().st_size, "blake2b": digest_of(file)}
    named = {} if place is None else {"place": place}
    write_bytes(path, sealed(kind, format_version, {**record, **named, "files": told}))
    elsewhere.offer(path)


def open_artefact(
    path: Path,
    kind: str,
    format_version: int,
    *,
    oldest: int | None = None,
    unsealed: int = 0,
    place: str | None = None,
) -> Artefact:
    """The one way to open what was stored: its record, proven to be as written; files are proven when used.

    Args:
        path: of the record.
        kind, format_version: what this version writes.
        oldest: the oldest format it reads; default: its own.
        unsealed: the newest format that was written without checksums.
        place: the name under which it was looked for; what was written for another name isn't that. A record
            that names no place, as earlier versions wrote it, is believed.

    Raises:
        NotWhole: it isn't there, was changed since, or lies under another name than it was written for.
        Older: its format is older than `oldest`.
        StorageError: it can't be read, is of another kind, or a newer congruence wrote it.
    """
    with _readable(path):
        content = path.read_bytes()
    record = unsealed_record(path, content, kind, format_version, unsealed=unsealed)
    version = record["format_version"]
    if version < (format_version if oldest is None else oldest):
        raise Older(f"{path} has format {version}, older than this congruence reads ({format_version})")
    if place is not None and record.get("place", place) != place:
        raise NotWhole(f"{path} was written for {record['place']!r}, not for {place!r}")
    return Artefact(path, record)


def unsealed_record(
    path: "Path | str", content: bytes, kind: str, format_version: int, *, unsealed: int = 0
) -> dict[str, Any]:
    """What `sealed` made into bytes, proven to be those.

    Args:
        path: what the bytes are called in errors.
        content, kind, format_version, unsealed: as for `open_artefact`.

    Raises:
        NotWhole: they aren't.
        StorageError: they are of another kind, or a newer congruence wrote them.
    """
    whole = _is_sealed(content, path)
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotWhole(f"{path} can't be read ({str(error)[:120]})") from error
    check_header(record, kind, format_version, path)
    if not whole and record["format_version"] > unsealed:
        raise NotWhole(f"{path} has lost its checksum")
    return record


def whole_or_none(place: Path, read: Callable[[Path], T]) -> T | None:
    """What `read` makes of the file or folder at `place`; None where there is nothing that can be believed.

    What isn't whole, or is of an older format, is set aside and said so, for the caller to make again.

    Raises:
        StorageError: it can't be read, or a newer congruence wrote it.
    """
    if not is_there(place) and not elsewhere.ask(place):
        return None
    try:
        return read(place)
    except (NotWhole, OtherKind, Older) as error:
        aside = set_aside(place)
        elsewhere.distrust(place)
        told = str(error).removesuffix(": name another folder")
        logger.warning("%s: set aside as %s and made again", told, aside.name)
        return None


def set_aside(place: Path) -> Path:
    """Rename what isn't whole, so that nothing finds it under its name; one is kept of each.

    Returns:
        Where it lies now.

    Raises:
        StorageError: it can't be renamed.
    """
    aside = place.with_name(f".{place.name}.broken")
    try:
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
        os.replace(place, aside)
    except FileNotFoundError:  # another process was quicker
        pass
    except OSError as error:
        raise StorageError(
            f"{place} isn't whole and can't be set aside ({error.strerror}): remove it"
        ) from error
    return aside


def is_there(place: Path) -> bool:
    """Whether anything has this name, a link that leads nowhere included.

    Raises:
        StorageError: that can't be told, e.g. the folder may not be looked into.
    """
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageError(f"{place} can't be read ({error.strerror}): make it readable") from error
    return True


@contextmanager
def not_whole_unless_read(path: Path) -> Iterator[None]:
    """Whatever a library raises on bytes that it can't make sense of means that they aren't whole."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise NotWhole(f"{path} can't be read ({reason})") from error


def plain(value: Any) -> Any:
    """A numpy value as JSON has it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """A missing file, a pipe, a device, a link to itself aren't whole; what may not be read is refused."""
    try:
        kind = os.stat(path).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):  # reading it might never end
            raise NotWhole(f"{path} is no plain file")
        yield
    except IsADirectoryError as error:
        raise NotWhole(f"{path} is a folder") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotWhole(f"{path} doesn't exist") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotWhole(f"{path} lies behind a link that leads to itself") from error
        raise StorageError(f"{path} can't be read ({error.strerror or error}): make it readable") from error


def sealed(kind: str, format_version: int, record: Mapping[str, Any]) -> bytes:
    """The record as JSON text that begins with its kind and ends with the digest of all bytes before."""
    first = header(kind, format_version)
    record = {**first, **record, **first}
    text = json.dumps(record, indent=2, ensure_ascii=False, default=plain)
    try:
        body = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can hold
        body = json.dumps(record, indent=2, default=plain).encode()
    body = body.removesuffix(b"\n}")
    return body + _TAIL % _digest(body).encode()


def _is_sealed(content: bytes, path: "Path | str") -> bool:
    """Whether the text ends in its checksum, and is what that says; False for one without any."""
    body, tail = content[:-_TAIL_BYTES], content[-_TAIL_BYTES:]
    if tail == _TAIL % _digest(body).encode():
        return True
    if b'"checksum"' in tail:
        raise NotWhole(f"{path} isn't what was written")
    return False


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


def digest_of(path: Path) -> str:
    """Digest of a file's bytes; one that hasn't changed since this process read it isn't read again."""
    stamp, known = file_stamp(path), _checked.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    if settled(stamp) and file_stamp(path) == stamp:
        _checked[path] = (stamp, digest.hexdigest())
    return digest.hexdigest()
