"""Whatever is changed in a run's folder is seen: healed by the same command, or refused in a line, never used."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored_run import flip, run, same_results, stored_files, tiny

from congruence.activations import ActivationStore
from congruence.errors import StorageError
from congruence.recipes import demo
from congruence.run import Run, load_run
from congruence.storage import NotWhole, generations, open_artefact, write_artefact
from quick_first import quick_first


@pytest.fixture(scope="module")
def config() -> dict:
    return tiny(demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True))


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory) -> Run:
    return run(config, tmp_path_factory.mktemp("run") / "out", pictures=True)


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished.path, tmp_path / "out", symlinks=True))


def records(folder: Path) -> dict[Path, Path]:
    """Every stored file, and the record that it is or that holds its checksum."""
    found = {path: path for path in stored_files(folder) if path.suffix == ".json"}
    for record in list(found):
        for name in json.loads(record.read_text())["files"]:
            found[record.parent / name] = record
    return found


def whole(record: Path) -> bool:
    """Whether a record and all of its files are as they were written."""
    said = json.loads(record.read_text(errors="replace")) if record.exists() else {}
    kind, version = str(said.get("kind", "")).removeprefix("congruence/"), said.get("format_version", 1)
    try:
        open_artefact(record, kind, version).check()
    except StorageError:
        return False
    return True


def test_every_stored_file_has_a_checksum(copy):
    assert set(records(copy)) == set(stored_files(copy))
    assert all(whole(record) for record in records(copy).values())


def test_a_changed_bit_of_any_file_is_seen(copy):
    for path, record in records(copy).items():
        kind = json.loads(record.read_text())
        size, before = path.stat().st_size, path.read_bytes()
        for number, position in enumerate({0, 1, size // 3, size // 2, size - 40, size - 2, size - 1}):
            flip(path, max(position, 0) % size, bit=number)
            with pytest.raises(StorageError):
                open_artefact(
                    record, kind["kind"].partition("/")[2], kind["format_version"], oldest=1
                ).check()
            path.write_bytes(before)


@pytest.mark.slow
def test_one_bit_of_every_file_and_the_same_command_again(copy, config, finished):
    files = stored_files(copy)
    for path in files:
        flip(path, path.stat().st_size // 2)
    again = run(config, copy, pictures=True)
    same_results(again, finished)
    assert {path.relative_to(copy) for path in files} <= {p.relative_to(copy) for p in stored_files(copy)}
    assert all(whole(record) for record in records(copy).values())
    for figure in (finished.path / "figures").iterdir():
        assert (copy / "figures" / figure.name).read_bytes() == figure.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_maps_and_verdicts_are_healed_and_pipes_in_their_place(config, tmp_path):
    """With function: transfer: first a bit of every file is changed, then each is replaced by a pipe."""
    config = config | {"function": "transfer", "corpus": config["corpus"] | {"documents": 16}}
    out = tmp_path / "out"
    first = run(config, out)
    expected, told, features = first.map(1, 2).matrix, first.transfer, first.features()

    def a_bit(path: Path) -> None:
        flip(path, path.stat().st_size // 2)

    def a_pipe(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    for damage in (a_bit, a_pipe):
        for path in stored_files(out):
            damage(path)
        with pytest.raises(StorageError):
            load_run(out)
        again = run(config, out)
        assert (again.map(1, 2).matrix == expected).all()
        pd.testing.assert_frame_equal(again.transfer, told)
        pd.testing.assert_frame_equal(again.features(), features)
        assert all(whole(record) for record in records(out).values())


def test_a_reader_refuses_changed_tables_and_records(copy):
    folder = load_run(copy).folder
    for name in (
        "run.json",
        "results.parquet",
        "cells.parquet",
        "matches.parquet",
        "concept_keywords.parquet",
    ):
        before = (folder / name).read_bytes()
        for damage in (
            lambda path: flip(path, path.stat().st_size // 2),
            lambda path: path.write_bytes(path.read_bytes()[:-9]),
            lambda path: path.write_bytes(b""),
            lambda path: path.unlink(),
        ):
            damage(folder / name)
            with pytest.raises(StorageError) as caught:
                found = load_run(copy)
                assert name not in ("run.json", "results.parquet", "cells.parquet")
                found.concept_keywords if name.startswith("concept") else found.matches
            assert "\n" not in str(caught.value)
            (folder / name).write_bytes(before)


def _edit(**changes) -> Callable[[Path], object]:
    def edit(path: Path) -> None:
        record = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in record.items() if v is not ...}))

    return edit


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _gone(path: Path) -> None:
    path.unlink()


def _value(path: Path) -> None:
    record = json.loads(path.read_text())
    record["rows"][0]["value"] = 0.999
    path.write_text(json.dumps(record, indent=2) + "\n")


def _array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
    def edit(path: Path) -> None:
        if path.suffix == ".npy":
            np.save(path, change(np.load(path)))
        else:
            path.write_bytes(change(np.fromfile(path, dtype=f"<{path.suffix[1:]}")).tobytes())

    return edit


def _put(value: int, at: int = 5) -> Callable[[Path], object]:
    def put(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[at] = value
        return array

    return _array(put)


def _dangling(path: Path) -> None:
    shutil.rmtree(path)
    path.symlink_to("nowhere")


def _reversed(array: np.ndarray) -> np.ndarray:
    return array[::-1]


def _many(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[:2000] *= 50
    return array


ACTS, CELL = "activations/resid_post.1-*", "cells/L1-L2-[0-9]*"
HEALED = [
    (f"{ACTS}/shard-*/indices.i4", _put(2**31 - 1)),
    (f"{ACTS}/shard-*/indices.i4", _put(-5)),
    (f"{ACTS}/shard-*/indices.i4", _put(9000)),
    (f"{ACTS}/shard-*/indptr.i8", _put(10**12)),
    (f"{ACTS}/shard-*/indptr.i8", _array(_reversed)),
    (f"{ACTS}/shard-*/data.f4", _array(_many)),
    (f"{ACTS}/shard-*/data.f4", _cut),
    (f"{ACTS}/shard-*/shard.json", _gone),
    (f"{ACTS}/shard-*", _dangling),
    (f"{ACTS}/token_ids.npy", _array(_reversed)),
    (f"{ACTS}/token_ids.npy", _put(10**6)),
    (f"{ACTS}/token_ids.npy", _cut),
    (f"{ACTS}/token_ids.npy", _gone),
    (f"{ACTS}/store.json", _edit(shape=...)),
    (f"{ACTS}/store.json", _edit(checksum=..., format_version=1)),
    (f"{ACTS}/store.json", _empty),
]
HEALED_CELLS = [
    (f"{CELL}/cell.json", _value),
    (f"{CELL}/cell.json", _edit(checksum=...)),
    (f"{CELL}/cell.json", _edit(checksum=..., format_version=1)),
    (f"{CELL}/cell.json", _edit(checksum=..., format_version="2")),
    (f"{CELL}/cell.json", _edit(checksum=..., format_version=None)),
    (f"{CELL}/cell.json", _edit(checksum=..., kind="something/else")),
    (f"{CELL}/cell.json", _cut),
    (f"{CELL}/cell.json", _gone),
    (f"{CELL}/null_scores.npz", _cut),
    (f"{CELL}/matches.parquet", _gone),
    (CELL, _dangling),
]


QUICK = [*HEALED[::4], *HEALED_CELLS[::3]]
CASES = [*QUICK, *(case for case in HEALED + HEALED_CELLS if case not in QUICK)]


@pytest.mark.parametrize(("where", "damage"), quick_first(CASES, len(QUICK)))
def test_what_was_changed_is_made_again(copy, config, finished, where, damage):
    if where.startswith("activations"):  # they are read where a cell isn't finished
        for cell in (copy / "cells").iterdir():
            shutil.rmtree(cell)
    (path,) = copy.glob(where)
    damage(path)
    same_results(run(config, copy), finished)
    log = (copy / "run.log").read_text().rpartition("run starts")[2]
    assert "set aside as" in log
    same_results(run(config, copy), finished)
    assert "set aside as" not in (copy / "run.log").read_text().rpartition("run starts")[2]


@pytest.mark.parametrize("where", [f"{ACTS}/store.json", f"{CELL}/cell.json", "generations/*/run.json"])
def test_what_a_newer_version_wrote_is_refused_and_left(copy, config, where):
    (path,) = copy.glob(where)
    record = json.loads(path.read_text())
    kind, files = record["kind"].partition("/")[2], record.pop("files")
    del record["checksum"]
    write_artefact(path, kind, 99, record, files=files)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="newer than this congruence reads"):
        run(config, copy)
    assert path.read_bytes() == before


BOUNDS = [
    ("indices.i4", _put(2**31 - 1)), ("indices.i4", _put(-5)), ("indices.i4", _put(9000)),
    ("indptr.i8", _put(10**12)), ("indptr.i8", _put(10**12, at=-1)), ("indptr.i8", _put(-1, at=0)),
    ("indptr.i8", _array(_reversed)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "damage"), BOUNDS)
def test_no_kernel_sees_indices_out_of_bounds_even_under_right_checksums(copy, name, damage):
    (path,) = copy.glob(ACTS)
    shard = path / "shard-00000"
    damage(shard / name)
    record = json.loads((shard / "shard.json").read_text())
    write_artefact(
        shard / "shard.json", "activations-shard", 1, {"key": record["key"]}, files=record["files"]
    )
    with pytest.raises(NotWhole, match="only this shard"):
        ActivationStore.open(path).to_csr()


def test_a_copy_with_links_followed_is_read_and_run_again(finished, config, tmp_path):
    plain = Path(shutil.copytree(finished.path, tmp_path / "all", symlinks=False))
    same_results(load_run(plain), finished)
    top = tmp_path / "top"
    top.mkdir()
    for name in ("run.json", *(p.name for p in finished.path.glob("*.parquet"))):
        shutil.copy(finished.path / name, top / name)
    same_results(load_run(top), finished)
    for folder in (plain, top):
        same_results(run(config, folder), finished)
        assert (folder / "current").is_symlink()
        assert (folder / "results.parquet").is_symlink()


def test_without_links_a_file_says_which_is_current(config, copy, finished, monkeypatch):
    def none(*_: object) -> None:
        raise NotImplementedError

    fresh = copy.parent / "fresh"
    fresh.mkdir()
    for name in ("activations", "cells"):
        shutil.copytree(copy / name, fresh / name)
    monkeypatch.setattr(os, "symlink", none)
    same_results(run(config, fresh, pictures=True), finished)
    assert not any(path.is_symlink() for path in fresh.iterdir())
    assert (fresh / "current").read_text() == f"generations/{finished.configuration}\n"
    assert generations.public(load_run(fresh).folder) == fresh / "generations" / finished.configuration
