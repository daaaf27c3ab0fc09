"""Finished things go to stores whole and come back whole, whoever else is at work there."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from congruence.storage import Memo, atomic_folder, elsewhere, open_artefact, whole_or_none, write_artefact
from congruence.storage.mirror import Keeper, Mirror
from congruence.storage.objects import FolderOfObjects

CELL = "cells/L1-L2-0123456789abcdef"


def store(path: Path) -> FolderOfObjects:
    return FolderOfObjects(path)


def write_cell(root: Path, content: str) -> None:
    with atomic_folder(root / CELL) as folder:
        (folder / "numbers").write_text(content)
        write_artefact(folder / "cell.json", "cell", 1, {"of": content}, files=["numbers"])


def read_cell(root: Path) -> str | None:
    def read(place: Path) -> str:
        return open_artefact(place / "cell.json", "cell", 1).read("numbers").decode()

    return whole_or_none(root / CELL, read)


def test_what_one_finishes_another_finds(tmp_path):
    there = store(tmp_path / "store")
    one, two = tmp_path / "one", tmp_path / "two"
    with elsewhere.joined(first := Mirror(one, [Keeper(there)])):
        assert read_cell(one) is None
        write_cell(one, "first")
        Memo(one / "activations/known").arrays("kind", 1, lambda: {"x": np.arange(1, 3)})
        first.settle()
        first.close()
    assert (tmp_path / "store/objects" / CELL).is_file()
    with elsewhere.joined(Mirror(two, [Keeper(there)])) as _:
        assert read_cell(two) == "first"
        found = Memo(two / "activations/known").arrays("kind", 1, lambda: pytest.fail("computed again"))
    assert list(found["x"]) == [1, 2]
    assert read_cell(tmp_path / "three") is None


def test_activations_go_to_the_cache_and_the_rest_to_both(tmp_path):
    root, store_name = tmp_path / "run", "activations/hook-0123456789abcdef"
    cache, out = store(tmp_path / "cache"), store(tmp_path / "out")
    mirror = Mirror(root, [Keeper(cache), Keeper(out, captured=False, published=True)])
    with elsewhere.joined(mirror):
        write_cell(root, "x")
        for name in ("shard-00000", "parts-00000/from-000000"):
            with atomic_folder(root / store_name / name) as folder:
                write_artefact(folder / "shard.json", "shard", 1, {})
        with atomic_folder(root / "generations/abc") as folder:
            (folder / "run.json").write_text("{}")
            (folder / "figures").mkdir()
            (folder / "figures/one.png").write_bytes(b"png")
        mirror.publish(root / "generations/abc")
        mirror.settle()
    kept = {
        path.name: sorted(
            one.relative_to(path / "objects").as_posix()
            for one in (path / "objects").rglob("*") if one.is_file()
        )
        for path in (cache.path, out.path)
    }  # fmt: skip
    assert kept == {
        "cache": [f"{store_name}/shard-00000", CELL],
        "out": [CELL, "generations/abc"],
    }
    other = Mirror(tmp_path / "other", [Keeper(out, published=True)])
    assert other.ask(tmp_path / "other/generations/abc")
    assert (tmp_path / "other/generations/abc/figures/one.png").read_bytes() == b"png"


@pytest.mark.parametrize("harm", ["blob", "manifest", "half a manifest", "outside"])
def test_what_is_not_whole_is_made_again_and_replaced(tmp_path, harm):
    there = store(tmp_path / "store")
    with elsewhere.joined(mirror := Mirror(tmp_path / "one", [Keeper(there)])):
        write_cell(tmp_path / "one", "good")
        mirror.settle()
    manifest = there.path / "objects" / CELL
    if harm == "blob":
        for blob in (there.path / "blobs").rglob("*"):
            if blob.is_file():
                blob.write_bytes(b"bad!")
    elif harm == "manifest":
        manifest.write_bytes(manifest.read_bytes().replace(b"numbers", b"nambers"))
    elif harm == "half a manifest":
        manifest.write_bytes(manifest.read_bytes()[:40])
    else:
        from congruence.storage.artefact import sealed

        files = {"../../escaped": {"bytes": 1, "blake2b": "0" * 32}}
        manifest.write_bytes(sealed("object", 1, {"place": CELL, "folder": True, "files": files}))
    with elsewhere.joined(mirror := Mirror(tmp_path / "two", [Keeper(there)])):
        assert read_cell(tmp_path / "two") is None
        write_cell(tmp_path / "two", "again")
        mirror.settle()
    assert not list(tmp_path.rglob("escaped"))
    with elsewhere.joined(Mirror(tmp_path / "three", [Keeper(there)])):
        assert read_cell(tmp_path / "three") == "again"


def test_a_bad_thing_that_was_sent_is_replaced(tmp_path):
    """Its checksums are those of what was sent, and what was sent is no cell."""
    there = store(tmp_path / "store")
    with elsewhere.joined(mirror := Mirror(tmp_path / "one", [Keeper(there)])):
        with atomic_folder(tmp_path / "one" / CELL) as folder:
            (folder / "cell.json").write_text(json.dumps({"kind": "congruence/cell", "format_version": 1}))
        mirror.settle()
    with elsewhere.joined(mirror := Mirror(tmp_path / "two", [Keeper(there)])):
        assert read_cell(tmp_path / "two") is None
        assert read_cell(tmp_path / "two") is None
        write_cell(tmp_path / "two", "good")
        mirror.settle()
    with elsewhere.joined(Mirror(tmp_path / "three", [Keeper(there)])):
        assert read_cell(tmp_path / "three") == "good"


def test_writers_at_once_leave_one_whole_thing(tmp_path):
    there, start = store(tmp_path / "store"), threading.Barrier(6)
    mirrors = [Mirror(tmp_path / str(number), [Keeper(there)]) for number in range(6)]
    for number in range(6):
        write_cell(tmp_path / str(number), f"made by {number}")

    def work(number: int) -> None:
        start.wait()
        mirrors[number].offer(tmp_path / str(number) / CELL)
        mirrors[number].settle()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with elsewhere.joined(Mirror(tmp_path / "reader", [Keeper(there)])):
        assert str(read_cell(tmp_path / "reader")).startswith("made by ")


def test_a_pair_of_several_models_keeps_things_under_the_names_of_a_run_of_two(tmp_path):
    there = store(tmp_path / "store")
    whole, alone = tmp_path / "models", tmp_path / "two"
    with elsewhere.joined(first := Mirror(whole, [Keeper(there, published=True)])):
        write_cell(whole / "pairs/x~y", "of x and y")
        with atomic_folder(whole / "pairs/x~y/generations/abc") as folder:
            write_artefact(folder / "run.json", "run", 1, {})
        first.publish(whole / "pairs/x~y/generations/abc")
        Memo(whole / "pairs/x~y/../../activations/known").keep("kind", 1, "value")
        first.settle()
        first.close()
    kept = {str(path.relative_to(there.path / "objects")) for path in (there.path / "objects").rglob("*-*")}
    assert CELL in kept
    assert (there.path / "objects/generations/abc").is_file()
    assert len(kept) == 2
    with elsewhere.joined(Mirror(alone, [Keeper(there)])):
        assert read_cell(alone) == "of x and y"
    with elsewhere.joined(Mirror(tmp_path / "other", [Keeper(there)])):
        assert read_cell(tmp_path / "other/pairs/y~z") == "of x and y"  # by its key the same
        assert not elsewhere.there(tmp_path / "other/pairs/a/b/cells/L1-L2-0123456789abcdef")
