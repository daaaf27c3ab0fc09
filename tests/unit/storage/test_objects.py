"""Object storage over HTTP: what is put is there whole, or the error says what to do."""

import os
import threading

import pytest

from congruence.errors import ConfigError, StorageError
from congruence.storage.objects import FolderOfObjects, Remote, is_url, normal_url, open_objects
from object_server import REASONS, s3_server


@pytest.fixture
def way(monkeypatch):
    with s3_server(monkeypatch) as way:
        yield way


def at(url: str) -> Remote:
    return Remote(url, pause=lambda seconds: None)


def test_faults_on_the_way_are_overcome(way, tmp_path):
    store, file = at("s3://bucket/run"), tmp_path / "file"
    file.write_bytes(os.urandom(300_000))
    way.faults.extend(["503", "drop", "cut", "slow"])
    store.put_file("blobs/1", file)
    assert way.happened == ["503", "drop", "cut", "slow"]
    assert store.get_file("blobs/1", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    way.faults.extend(["cut", "503"])
    store.put("small", b"0123456789")
    assert store.get("small") == b"0123456789"
    way.faults.append("cut")
    assert store.put_new("new", b"0123456789")
    assert store.get("new") == b"0123456789"
    assert len(way.happened) == 7
    way.chosen = lambda method, path: method == "GET"
    way.faults.extend(["503", "drop", "503"])
    assert store.get("small") == b"0123456789"
    assert store.get("nothing") is None
    assert not store.get_file("nothing", tmp_path / "none")
    assert store.size("nothing") is None
    assert store.size("small") == 10


def test_who_is_first_stays(way):
    stores = [at("s3://bucket/race") for _ in range(6)]
    won: list[int] = []
    start = threading.Barrier(len(stores))

    def put(number: int) -> None:
        start.wait()
        if stores[number].put_new("manifest", f"number {number}".encode()):
            won.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert stores[0].get("manifest") == f"number {won[0]}".encode()
    assert not stores[1].put_new("manifest", b"later")


def test_what_stays_wrong_is_one_line(way, monkeypatch):
    store = at("s3://bucket/run")
    way.faults.extend(["503"] * 50)
    with pytest.raises(StorageError, match=r"can't write s3://bucket/run/x, tried 7 times: .*reduce.*again"):
        store.put("x", b"1")
    assert len(way.happened) == 7
    way.faults.clear()
    with pytest.raises(StorageError, match=r"s3://nowhere/run/x: there is no such bucket"):
        at("s3://nowhere/run").put("x", b"1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nothing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nothing")
    import fsspec

    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(StorageError, match=r"can't read s3://bucket/run/x: .*AWS_PROFILE"):
        at("s3://bucket/run").get("x")


def refusal(way, ask) -> tuple[str, int]:
    """What a request is told in the end, and how often it was made."""
    way.seen.clear()
    with pytest.raises(StorageError) as told:
        ask()
    assert "\n" not in str(told.value)
    return str(told.value), len(way.seen)


def test_who_is_refused_is_told_at_once(way):
    for reason, words in REASONS.items():
        way.always = reason
        way.chosen = lambda method, path: True
        told, asked = refusal(way, lambda: at("s3://bucket/run").get("x"))
        assert told.startswith(f"can't read s3://bucket/run/x: {words.rstrip('.')}: check the bucket's")
        assert "AWS_PROFILE" in told
        assert asked <= 2  # the second where a region may be the cause
        way.chosen = lambda method, path: method == "PUT"  # may read, and not write
        told, asked = refusal(way, lambda: at("s3://bucket/run").put("x", b"1"))
        assert told.startswith(f"can't write s3://bucket/run/x: {words.rstrip('.')}: check the bucket's")
        assert asked <= 2


def test_a_missing_bucket_and_a_wrong_endpoint(way, monkeypatch):
    import fsspec

    for ask in (lambda: at("s3://nowhere/run").get("x"), lambda: at("s3://nowhere/run").put("x", b"1")):
        told, asked = refusal(way, ask)
        assert "s3://nowhere/run/x: there is no such bucket" in told
        assert asked == 1
    for endpoint, words, tries in (
        ("http://127.0.0.1:9", "tried 4 times: Could not connect", 4),
        ("localhost:9000", "AWS_ENDPOINT_URL for another server", 1),
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        fsspec.filesystem("s3").clear_instance_cache()
        pauses: list[float] = []
        with pytest.raises((StorageError, ConfigError)) as told:
            Remote("s3://bucket/run", pause=pauses.append).get("x")
        assert words in str(told.value)
        assert "\n" not in str(told.value)
        assert len(pauses) == tries - 1


def test_a_folder_and_memory_are_stores_as_well(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    for store in (FolderOfObjects(tmp_path / "store"), open_objects("memory://a/run")):
        assert store.get("deep/key") is None
        store.put_file("deep/key", tmp_path / "file")
        assert store.get("deep/key") == b"content"
        assert store.size("deep/key") == 7
        assert store.put_new("deep/new", b"one")
        assert not store.put_new("deep/new", b"two")
        store.put("deep/key", b"other")
        assert store.get_file("deep/key", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"other"


def test_urls():
    assert not is_url("runs/s3:x")
    assert normal_url("S3A://bucket/a/", "x") == "s3://bucket/a"
    assert normal_url("file:///a/b", "x") == "/a/b"
    for wrong, told in (
        ("http://x/y", "nothing is stored by http://: use s3"),
        ("s3://", "isn't a bucket"),
        ("s3://b/a b", "isn't a bucket"),
        ("s3://b/../c", "empty part"),
        ("s3://key:secret@b/c", "password or port"),
        ("file://host/x", "no absolute path"),
    ):
        with pytest.raises(ConfigError, match=told):
            normal_url(wrong, "--out")


@pytest.mark.parametrize(("url", "extra"), [("gs://bucket/run", "gcs"), ("az://bucket/run", "azure")])
def test_a_missing_extra_is_named(url, extra, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in ("gcsfs", "adlfs") else found(name)
    )
    with pytest.raises(ConfigError, match=rf"pip install '\.\[{extra}\]' in the checkout"):
        open_objects(url)
