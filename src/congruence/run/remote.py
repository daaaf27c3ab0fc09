"""A run in object storage: worked on in a folder of this machine, kept under its URL, and read from there.

    objects/, blobs/          what is finished (congruence.storage.mirror)
    current.json              the configuration that was finished last, switched when all of it is there
    status.json, logs/        how far it is, and the log of each start
    congruence.json           that this is such a place

The folder can be lost at any time: what is finished is brought back.
"""

import contextlib
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from congruence.caches import cache_folder
from congruence.errors import ConfigError, StorageError, quoted
from congruence.progress import working
from congruence.run import models_schema, schema
from congruence.storage import (
    Artefact,
    NotWhole,
    OtherKind,
    content_key,
    elsewhere,
    generations,
    open_artefact,
)
from congruence.storage.artefact import sealed
from congruence.storage.mirror import Keeper, Mirror, pointer
from congruence.storage.objects import Objects, is_url, normal_url, open_objects
from congruence.storage.run_folder import PAIRS, RunFolder

logger = logging.getLogger(__name__)

PLACE, CURRENT = "congruence.json", "current.json"
KIND, FORMAT = "run-objects", 1
NOTE_EVERY = 15.0
"""Seconds between two notes of the status in a store."""
_WAS_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\](?!/)")
_OF_A_PAIR = re.compile(rf"(?P<run>.+)/{PAIRS}/(?P<pair>[^/]+)")


@dataclass
class Place:
    """Where a run is computed, and where it is kept besides.

    Attributes:
        folder: where it is computed.
        objects: the store of `--out`; None where that is the folder.
        mirror: keeps what is finished there and in the cache; None where there is neither.
        url: of `--out`, or "".
        pair: this is one pair of a run of several models, which is kept with that.
    """

    folder: Path
    objects: Objects | None = None
    mirror: Mirror | None = None
    url: str = ""
    pair: bool = False
    _noted: tuple[float, bytes] = field(default=(-NOTE_EVERY, b""))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Send what is finished in this block, and bring what others finished."""
        if self.mirror is None:
            yield
            return
        try:
            with elsewhere.joined(self.mirror):
                yield
        finally:
            self.mirror.close()
            if self.objects is not None:
                with contextlib.suppress(StorageError, OSError):
                    name = f"logs/{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}.log"
                    self.objects.put(name, RunFolder(self.folder).log.read_bytes(), attempts=2)

    def of_pair(self, folder: Path) -> "Place":
        """The place of a pair of a run of several models, which is worked on in a folder inside this one."""
        return replace(self, folder=folder, pair=True)

    def finish(self, key: str, uses: Mapping[str, Any]) -> None:
        """Send whatever a finished configuration uses and, when all of it is there, make it the current one.

        Of a pair nothing is current: the run that it belongs to names it.

        Raises:
            StorageError: it can't be.
        """
        if self.mirror is None:
            return
        folder = RunFolder(self.folder)
        with working("send what is finished"):
            for place in _places(folder, uses):
                elsewhere.offer(place)
            self.mirror.settle()
            if self.objects is not None:
                self.mirror.publish(self.folder / generations.FOLDER / key)
                if not self.pair:
                    self.objects.put(CURRENT, sealed(KIND, FORMAT, {"configuration": key}))
        sent, brought = len(self.mirror.sent), len(self.mirror.brought)
        logger.info("%d things were sent, %d were there already and brought here", sent, brought)

    def note(self, path: Path, *, last: bool = False) -> None:
        """Keep the run's status, now and then; where that can't be, the work goes on."""
        if self.objects is None:
            return
        due = last or time.monotonic() - self._noted[0] >= NOTE_EVERY
        with contextlib.suppress(StorageError, OSError):
            if due and (content := path.read_bytes()) != self._noted[1]:
                self._noted = (time.monotonic(), content)
                self.objects.put(path.name, content, attempts=4 if last else 1)


def place_of(out: str | Path, cache: str | None) -> Place:
    """Where a run is computed and kept; that stores can be written is seen here.

    Args:
        out: a folder or a URL.
        cache: the configuration's.

    Raises:
        ConfigError: a URL is none, or lacks its extra.
        StorageError: a store can't be written.
    """
    keepers: list[Keeper] = []
    if isinstance(out, Path) and _WAS_URL.match(str(out)):
        raise ConfigError(
            f"--out {quoted(str(out), 200)} was a URL before it was made a Path: give it as text"
        )
    url = normal_url(str(out), "--out") if is_url(out) else ""
    folder = Path(url or out)
    if cache is not None:
        shared = open_objects(cache)
        _greet(shared, "shared")
        keepers.append(Keeper(shared))
    if not is_url(url):
        return Place(folder, None, Mirror(folder, keepers) if keepers else None)
    objects = open_objects(url)
    _greet(objects, "run")
    keepers.append(Keeper(objects, captured=not keepers, published=True))
    folder = working_folder(url)
    return Place(folder, objects, Mirror(folder, keepers), url)


def working_folder(url: str) -> Path:
    """The folder of this machine in which the run at a URL is worked on and read."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", url.rpartition("/")[2])[:40]
    return Path(os.path.abspath(cache_folder() / "runs" / f"{name}-{content_key(url)}"))


def worker_place(path: str, mark: str, url: str, cache: str | None) -> Place:
    """The place of a run for a worker: the run's folder where its machine sees that, else one of its own.

    Args:
        path, mark: the run's folder, and a file there by which it is known to be the same.
        url: of `--out`, or "".
        cache: the configuration's.

    Raises:
        StorageError: the folder isn't seen, and there is no store.
    """
    # a machine that doesn't see the folder of a pair of several models works in that of the URL: what it
    # makes has the same names there as in a run of these two
    seen = (Path(path) / mark).is_file()
    if not seen and not url:
        raise StorageError(
            f"{path} isn't the run's folder on every machine: give --out on a file system that all of them "
            "share, or a URL such as s3://bucket/run"
        )
    if not url and cache is None:
        return Place(Path(path))
    place = place_of(url or path, cache)
    if seen and place.mirror is not None:
        whole = RunFolder(Path(path)).whole
        return Place(Path(path), place.objects, Mirror(whole, place.mirror.keepers), url)
    place.folder.mkdir(parents=True, exist_ok=True)
    return place


def fetch_run(url: str, *, configuration: str | None = None) -> Path:
    """Bring a finished run from its URL: tables, record, pictures, cells and what is known of its inputs.

    Captured activations stay where they are. Of a run of several models all pairs come, or one alone where
    the URL names it (s3://bucket/run/pairs/NAME~NAME).

    Args:
        url: as given to `--out`.
        configuration: key of one that was run there; default: the one that was finished last.

    Returns:
        The folder of this machine that it is in now; of `file://`, the folder that it names.

    Raises:
        ConfigError: it is no URL of object storage.
        StorageError: there is no finished run, or the store doesn't answer.
    """
    normal = normal_url(url, "the run")
    if not is_url(normal):
        return Path(normal)
    objects, pair = _open_run(normal)
    folder = RunFolder(working_folder(objects.url))
    mirror = Mirror(folder.path, [Keeper(objects, published=True)])
    with working(f"fetch {normal}"):
        try:
            if pair:
                return _fetch_pair(objects, mirror, folder, pair, configuration)
            key = configuration or _current(objects)
            for one in _fetch(mirror, folder, key).record.get("pairs") or ():
                _fetch_inner(mirror, folder, one, one["configuration"])
        finally:
            mirror.close()
    if configuration is None:
        generations.publish(folder.path, key, schema.NAMES)
    return folder.path


def _fetch_pair(
    objects: Objects, mirror: Mirror, folder: RunFolder, pair: str, configuration: str | None
) -> Path:
    """Bring one pair of a run of several models; its folder."""
    record = _fetch(mirror, folder, _current(objects)).record
    named = {one["folder"]: one for one in record.get("pairs") or ()}
    if f"{PAIRS}/{pair}" not in named:
        known = ", ".join(named) or "none: it is a run of two models"
        raise StorageError(f"{objects.url} has no pair {quoted(pair)}: known are {known}")
    one = named[f"{PAIRS}/{pair}"]
    return _fetch_inner(mirror, folder, one, configuration or one["configuration"])


def _fetch_inner(mirror: Mirror, folder: RunFolder, one: Mapping[str, Any], key: str) -> Path:
    inner = folder.pair(Path(one["folder"]).name)
    _fetch(mirror, inner, key)
    generations.publish(inner.path, key, schema.NAMES)
    return inner.path


def _fetch(mirror: Mirror, folder: RunFolder, key: str) -> Artefact:
    """Bring a configuration, and all that it uses but activations; its record.

    Raises:
        StorageError: it isn't there.
    """
    place = folder.path / generations.FOLDER / key
    if not _is_whole(place) and not mirror.ask(place):
        where = ", ".join(keeper.objects.url for keeper in mirror.keepers)
        raise StorageError(
            f"{where} holds no configuration {quoted(key)}: leave it out for the one that was finished last"
        )
    record = _record(place)
    mirror.ask_all(
        one for one in _places(folder, record.record.get("uses") or {}) if one.parent != folder.activations
    )
    return record


def _current(objects: Objects) -> str:
    """Key of the configuration that was finished last.

    Raises:
        StorageError: none was.
    """
    current = pointer(objects, CURRENT, KIND, FORMAT)
    if current is None:
        raise StorageError(f"{objects.url} has no finished run yet: see `congruence status {objects.url}`")
    return str(current["configuration"])


def remote_status(url: str) -> tuple[str, bytes]:
    """The status of a run, read from its store alone: the URL as it is kept, and the record's bytes.

    Of a pair of several models it is that of the whole run, which is one process's work.

    Raises:
        ConfigError, StorageError: there is none.
    """
    objects, _ = _open_run(normal_url(url, "the run"))
    content = objects.get("status.json")
    if content is None:
        raise StorageError(f"{objects.url} has no status.json: the run hasn't begun; look again in a minute")
    return objects.url, content


def _is_whole(place: Path) -> bool:
    try:
        _record(place).check()
    except NotWhole:
        return False
    return True


def _record(place: Path) -> Artefact:
    """run.json of a configuration, of two models or of several."""
    path = place / generations.RECORD
    try:
        return open_artefact(path, schema.KIND, schema.FORMAT_VERSION, oldest=schema.UNSEALED)
    except OtherKind:
        return open_artefact(path, models_schema.KIND, schema.FORMAT_VERSION)


def _open_run(url: str) -> tuple[Objects, str]:
    """The store of a run, and the name of the pair of several models that a URL ends in, or ""."""
    objects, pair = open_objects(url), ""
    there = pointer(objects, PLACE, KIND, FORMAT)
    if there is None and (inner := _OF_A_PAIR.fullmatch(url)):
        objects, pair = open_objects(inner["run"]), inner["pair"]
        there = pointer(objects, PLACE, KIND, FORMAT)
    if there is None:
        raise StorageError(
            f"{url} holds no run: give the URL that `congruence run --out` was given (copy a folder that "
            "lies in a bucket back first)"
        )
    return objects, pair


def _greet(objects: Objects, what: str) -> None:
    """See that a store can be written, before hours of work, and leave there what it is.

    Raises:
        StorageError: it can't be, or something else is there.
    """
    there = pointer(objects, PLACE, KIND, FORMAT)
    if there is None:
        objects.put(PLACE, sealed(KIND, FORMAT, {"what": what}))
    elif there.get("what") != what:
        held = "a cache" if there.get("what") == "shared" else "a run"
        raise ConfigError(f"{objects.url} is {held}: name another place, --out and cache can't be one")


def _places(folder: RunFolder, uses: Mapping[str, Any]) -> Iterator[Path]:
    """Everything that a configuration uses, as it is kept."""
    for name in uses.get("known") or ():
        yield folder.known / f"{name}.json"
    for name in uses.get("cells") or ():
        yield folder.cells / name
    for name in uses.get("activations") or ():
        store = folder.activations / name
        yield from (store / "store.json", *sorted(store.glob("shard-*"))) if store.is_dir() else ()
