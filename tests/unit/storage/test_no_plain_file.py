"""Pipes and devices under the names of stored files: told apart from data at once, never waited for."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from congruence.errors import SaeError, StorageError
from congruence.run.status import NAME as STATUS
from congruence.run.status import in_lines, noted, status_of
from congruence.saes import list_saes
from congruence.storage import NotWhole, generations, open_artefact, whole_or_none, write_artefact
from congruence.storage.lock import folder_lock, holder, is_held
from congruence.storage.places import files_below
from congruence.storage.run_folder import RunFolder, run_log

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError("waited for a file that never ends")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


KINDS = pytest.mark.parametrize("put", [_pipe, _device])


@KINDS
def test_a_record(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "record.json")
    with pytest.raises(NotWhole, match="is no plain file"):
        open_artefact(tmp_path / "record.json", "memo", 1)
    assert whole_or_none(tmp_path / "record.json", lambda place: open_artefact(place, "memo", 1)) is None
    assert not os.path.lexists(tmp_path / "record.json")


@KINDS
def test_a_file_of_a_record(tmp_path: Path, put: Callable[[Path], None]) -> None:
    (tmp_path / "data").write_bytes(b"data")
    write_artefact(tmp_path / "record.json", "memo", 1, {}, files=["data"])
    opened = open_artefact(tmp_path / "record.json", "memo", 1)
    put(tmp_path / "data")
    for read in (opened.check, lambda: opened.read("data")):
        with pytest.raises(NotWhole, match="is no plain file"):
            read()


@KINDS
def test_what_says_which_is_current(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "current")
    assert generations.current_key(tmp_path) is None


def test_a_folder_in_its_place_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "record.json").mkdir()
    with pytest.raises(NotWhole, match="is a folder"):
        open_artefact(tmp_path / "record.json", "memo", 1)


@KINDS
def test_what_a_run_notes(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / STATUS)
    with pytest.raises(StorageError):
        status_of(tmp_path)
    with noted(tmp_path):
        pass
    assert "finished" in in_lines(tmp_path, status_of(tmp_path))[0]


@pytest.mark.parametrize(
    "record",
    [
        {}, {"state": "asleep"}, {"state": None, "began": 1, "at": 2, "stages": []},
        {"state": "running", "began": "x", "at": 2, "stages": []}, {"state": "failed", "began": 1, "at": 2, "stages": 3},
        {"state": "finished", "began": 1, "at": 2, "stages": [{"name": "capture"}]},
    ],
)  # fmt: skip
def test_what_no_run_notes(tmp_path: Path, record: dict) -> None:
    write_artefact(tmp_path / STATUS, "run-status", 1, record)
    with pytest.raises(StorageError, match="start the run again"):
        status_of(tmp_path)


def test_a_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    assert is_held(tmp_path) in (True, False)
    assert holder(tmp_path) == "another process"
    with folder_lock(tmp_path, wait=False):
        pass


def test_a_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.log")
    with pytest.raises(StorageError, match=r"run\.log: it is a pipe"), run_log(RunFolder(tmp_path)):
        pass


@KINDS
def test_a_folder_of_saes_or_texts(tmp_path: Path, put: Callable[[Path], None]) -> None:
    (tmp_path / "cfg.json").write_text("{}")
    (tmp_path / "gone").symlink_to("nowhere")
    put(tmp_path / "sae_weights.safetensors")
    assert list(files_below(tmp_path)) == ["cfg.json", "gone"]
    with pytest.raises(SaeError, match="no weights beside it"):
        list_saes(tmp_path)
