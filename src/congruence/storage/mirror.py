"""Finished things of a working folder, kept whole in stores under the same names, and brought from there.

    blobs/<2>/<checksum>      the bytes of a file, under what they are
    objects/<name>            the manifest of a finished thing: names, sizes and checksums of its files

The manifest is put last, and only where there is none: a reader finds a whole thing or nothing, and whoever
comes second, with the same content or (times differ) nearly the same, changes nothing. Work goes on in the
folder as it would without stores; what is finished goes out beside it.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from congruence.storage.artefact import NotWhole, OtherKind, digest_of, sealed, unsealed_record
from congruence.storage.atomic import atomic_folder, atomic_path
from congruence.storage.objects import Objects

logger = logging.getLogger(__name__)

KIND, FORMAT = "object", 1
_KEYED = r"[^/.][^/]*-[0-9a-f]{16}"
_CAPTURED = re.compile(rf"activations/(?!known/){_KEYED}/(?!parts-)[^/.][^/]*")
_SHARED = re.compile(rf"cells/{_KEYED}|activations/known/{_KEYED}\.json")
_PUBLISHED = re.compile(r"generations/[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_OF_A_PAIR = re.compile(r"\Apairs/[^/]+/(?=cells/|generations/)")
"""Begins what a run of several models keeps for two of them. Its key says what it is, so that in a store it
goes by the name that a run of these two gives it."""
_AT_ONCE = 8
"""Things that are on their way at a time."""
_ABSENT_FOR = 30.0
"""Seconds for which what wasn't there isn't asked for again."""
_LARGE = 1 << 20
"""Bytes from which it is asked whether they are there before they are sent."""


@dataclass(frozen=True)
class Keeper:
    """A store and what it takes.

    Attributes:
        objects: the store.
        captured: activations.
        published: what a run publishes.
    """

    objects: Objects
    captured: bool = True
    published: bool = False

    def takes(self, name: str) -> bool:
        """Whether it keeps things of this name."""
        if _PUBLISHED.fullmatch(name):
            return self.published
        return self.captured or _CAPTURED.fullmatch(name) is None


class Mirror:
    """Keeps what is finished in a folder in stores, and brings from there what others finished.

    Args:
        root: the folder.
        keepers: asked in this order.

    Attributes:
        sent, brought: names of what went out and came in.
    """

    def __init__(self, root: Path, keepers: Sequence[Keeper]) -> None:
        self.root, self.keepers = Path(os.path.abspath(root)), keepers
        self.sent: list[str] = []
        self.brought: list[str] = []
        self._lock = threading.Lock()
        self._there: set[tuple[str, str]] = set()
        self._offered: set[str] = set()
        self._absent: dict[str, float] = {}
        self._distrusted: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._running: list[Future[None]] = []

    def ask(self, place: Path) -> bool:
        """Bring here what belongs at a place; whether one of the stores had it.

        Raises:
            StorageError: a store doesn't answer.
        """
        name = self._name(place)
        if name is None or name in self._distrusted:
            return False
        if time.monotonic() - self._absent.get(name, -_ABSENT_FOR) < _ABSENT_FOR:
            return False
        for keeper in self.keepers:
            if keeper.takes(name) and self._bring(keeper.objects, name, place):
                self.brought.append(name)
                return True
        self._absent[name] = time.monotonic()
        return False

    def ask_all(self, places: Iterable[Path]) -> None:
        """The same for many, several at a time; what is here already isn't asked for."""
        wanted = [place for place in places if not place.exists()]
        if not wanted:
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(self.ask, wanted):
                pass

    def offer(self, place: Path) -> None:
        """Send what stands at a place to every store that lacks it, beside the work.

        Raises:
            StorageError: something offered before couldn't be sent.
        """
        name = self._name(place)
        if name is None or _PUBLISHED.fullmatch(name):
            return
        with self._lock:
            if name in self._offered:
                return
            self._offered.add(name)
            self._absent.pop(name, None)
            for done in [future for future in self._running if future.done()]:
                self._running.remove(done)
                done.result()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="send")
            self._running.append(self._pool.submit(self._send, name, place))

    def distrust(self, place: Path) -> None:
        """What is kept under a place's name isn't asked for again; what is offered next replaces it."""
        name = self._name(place)
        if name is not None:
            with self._lock:
                self._distrust(name)
                self._offered.discard(name)

    def look_again(self) -> None:
        """Ask anew for what wasn't there."""
        self._absent.clear()

    def settle(self) -> None:
        """Wait until all that was offered is sent.

        Raises:
            StorageError: something couldn't be.
        """
        while True:
            with self._lock:
                running, self._running = self._running, []
            if not running:
                return
            for future in running:
                future.result()

    def close(self) -> None:
        """Give up what waits to be sent; what is on its way goes to its end."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def publish(self, place: Path) -> None:
        """Send a finished configuration, in place of what was published under its name.

        Raises:
            StorageError: it can't be.
        """
        name = self._name(place)
        assert name is not None
        for keeper in self.keepers:
            if keeper.takes(name):
                self._put(keeper.objects, name, place, over=True)

    def _send(self, name: str, place: Path) -> None:
        for keeper in self.keepers:
            if not keeper.takes(name) or (keeper.objects.url, name) in self._there:
                continue
            over = name in self._distrusted
            if not over and self._manifest(keeper.objects, name) is not None:
                self._there.add((keeper.objects.url, name))
                continue
            try:
                self._put(keeper.objects, name, place, over=over)
            except FileNotFoundError as error:  # set aside or pruned meanwhile
                logger.info("%s isn't sent: %s is gone", name, error.filename)
                return

    def _put(self, objects: Objects, name: str, place: Path, *, over: bool) -> None:
        """The files, then the manifest.

        Args:
            over: replace what is there; else who was first stays.
        """
        told = {}
        for file, path in _files_at(place):
            size, digest = path.stat().st_size, digest_of(path)
            blob = _blob(digest)
            if over or size < _LARGE or objects.size(blob) != size:
                objects.put_file(blob, path)
            told[file] = {"bytes": size, "blake2b": digest}
        record = {"place": name, "folder": place.is_dir(), "files": told}
        manifest = sealed(KIND, FORMAT, record)
        if over or not objects.put_new(_key(name), manifest):
            if not over and self._manifest(objects, name) is not None:
                logger.info("%s: another was first to keep it in %s", name, objects.url)
            else:
                objects.put(_key(name), manifest)
        self._there.add((objects.url, name))
        self._distrusted.discard(name)
        self.sent.append(name)
        logger.info("%s: kept in %s", name, objects.url)

    def _bring(self, objects: Objects, name: str, place: Path) -> bool:
        """Write here what a store keeps under a name; False where it has nothing that can be believed."""
        manifest = self._manifest(objects, name)
        if manifest is None:
            return False
        self._there.add((objects.url, name))
        try:
            if manifest["folder"]:
                with atomic_folder(place) as temporary:
                    for file, told in manifest["files"].items():
                        _fetch(objects, told, temporary, file)
            else:  # the record comes last, as it was written
                for file in sorted(manifest["files"], key=lambda file: file == place.name):
                    with atomic_path(place.parent / file) as temporary:
                        _fetch(objects, manifest["files"][file], temporary.parent, temporary.name)
        except NotWhole as error:
            logger.warning("%s: made again", error)
            self._distrust(name)
            return False
        logger.info("%s: found in %s", name, objects.url)
        self.offer(place)  # to the other stores
        return True

    def _manifest(self, objects: Objects, name: str) -> dict[str, Any] | None:
        content = objects.get(_key(name))
        if content is None:
            return None
        where = f"{objects.url}/{_key(name)}"
        try:
            manifest = unsealed_record(where, content, KIND, FORMAT)
            if manifest["place"] != name or not all(map(_is_inside, manifest["files"])):
                raise NotWhole(f"{where} was written for something else")
        except (NotWhole, OtherKind, KeyError) as error:
            logger.warning("%s: taken for absent", error)
            self._distrust(name)
            return None
        return manifest

    def _distrust(self, name: str) -> None:
        self._distrusted.add(name)
        self._there -= {(keeper.objects.url, name) for keeper in self.keepers}

    def _name(self, place: Path) -> str | None:
        """What a place is called in stores; None where nothing of the kind is kept."""
        path = os.path.relpath(os.path.abspath(place), self.root).replace(os.sep, "/")
        path = _OF_A_PAIR.sub("", path)
        kept = any(pattern.fullmatch(path) for pattern in (_SHARED, _CAPTURED, _PUBLISHED))
        return path if kept else None


def _fetch(objects: Objects, told: dict[str, Any], folder: Path, file: str) -> None:
    """One file, as it was when it was sent.

    Raises:
        NotWhole: it isn't there, or isn't that.
    """
    path, blob = folder / file, _blob(told["blake2b"])
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):  # the way here may be at fault
        if not objects.get_file(blob, path):
            break
        if path.stat().st_size == told["bytes"] and digest_of(path) == told["blake2b"]:
            return
    raise NotWhole(f"{objects.url}/{blob} isn't what was sent")


def _files_at(place: Path) -> list[tuple[str, Path]]:
    """Name and path of every file of a finished thing: all of a folder's, or a record and those it names."""
    if place.is_dir():
        files = (path for path in place.rglob("*") if path.is_file())
        named = ((path.relative_to(place).as_posix(), path) for path in files)
        return sorted(one for one in named if not any(part.startswith(".") for part in one[0].split("/")))
    import json

    record = json.loads(place.read_bytes())
    return [(file, place.parent / file) for file in (*record.get("files", ()), place.name)]


def _is_inside(file: str) -> bool:
    return (
        all(part not in ("", ".", "..") for part in file.split("/")) and "\\" not in file and ":" not in file
    )


def _blob(digest: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", str(digest)):
        raise NotWhole(f"{digest!r} is no checksum")
    return f"blobs/{digest[:2]}/{digest}"


def _key(name: str) -> str:
    return f"objects/{name}"


def pointer(objects: Objects, key: str, kind: str, format_version: int) -> dict[str, Any] | None:
    """A small record of a store that is replaced; None where there is none.

    Raises:
        StorageError: it can't be believed.
    """
    content = objects.get(key)
    return None if content is None else unsealed_record(f"{objects.url}/{key}", content, kind, format_version)
