"""A run's folder shows one generation at a time; locks die with their process; what dead ones left goes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from congruence.errors import StorageError
from congruence.storage import generations
from congruence.storage.lock import folder_lock
from congruence.storage.run_folder import held, open_folder
from congruence.storage.temporary import left_over, temporary_beside

NAMES = ("run.json", "table", "figures")


def write(folder: Path, content: str, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("run.json", "table"):
        if name == "figures":
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "one.png").write_text(content)
        else:
            (folder / name).write_text(content)
    return folder


def shown(path: Path) -> dict[str, str]:
    folder = generations.current_folder(path)
    return {name: (folder / name).read_text() for name in ("run.json", "table")}


def test_names_lead_to_the_generation_published_last(tmp_path):
    write(tmp_path / "generations" / "a", "a", *NAMES)
    write(tmp_path / "generations" / "b", "b")
    for key in "aba":
        generations.publish(tmp_path, key, NAMES)
        assert shown(tmp_path) == {"run.json": key, "table": key}
        assert (tmp_path / "table").read_text() == key
        assert os.path.lexists(tmp_path / "figures") == (key == "a")
    assert (tmp_path / "figures" / "one.png").read_text() == "a"
    assert os.readlink(tmp_path / "table") == "current/table"


def test_a_reader_never_sees_two_generations(tmp_path):
    for key in "ab":
        write(tmp_path / "generations" / key, key)
    generations.publish(tmp_path, "a", NAMES)
    done = threading.Event()

    def switch() -> None:
        while not done.is_set():
            for key in "ba":
                generations.publish(tmp_path, key, NAMES)

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        seen = [shown(tmp_path) for _ in range(2000)]
    finally:
        done.set()
        thread.join()
    assert all(len(set(contents.values())) == 1 for contents in seen)
    assert {contents["table"] for contents in seen} == {"a", "b"}


@pytest.mark.parametrize("stop_at", range(12))
def test_an_earlier_run_is_shown_until_the_step_whatever_stops_it(tmp_path, monkeypatch, stop_at):
    write(tmp_path, "old", *NAMES)
    write(tmp_path / "generations" / "new", "new", *NAMES)
    steps = iter(range(100))
    replace = os.replace

    def stopping(source, target) -> None:
        if next(steps) == stop_at:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stopping)
    try:
        generations.publish(tmp_path, "new", NAMES)
    except KeyboardInterrupt:
        assert shown(tmp_path) == {"run.json": "old", "table": "old"}
        assert (tmp_path / "table").read_text() == (tmp_path / "run.json").read_text() == "old"
    monkeypatch.setattr(os, "replace", replace)
    generations.publish(tmp_path, "new", NAMES)
    assert shown(tmp_path) == {"run.json": "new", "table": "new"}
    assert all((tmp_path / name).is_symlink() for name in NAMES)
    (earlier,) = [p for p in generations.generations(tmp_path) if p.name.startswith("earlier-")]
    assert (earlier / "figures" / "one.png").read_text() == "old"


ELSEWHERE = (
    "elsewhere",
    "../other/generations/a",
    "/etc",
    "generations/../..",
    "current",
    "generations/gone",
)


@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("keys", ["a", "ab"])
def test_a_link_that_leads_elsewhere_is_not_followed(tmp_path, target, keys):
    run, other = tmp_path / "run", write(tmp_path / "other" / "generations" / "a", "another run's")
    for key in keys:
        write(run / "generations" / key, key)
    generations.publish(run, "a", NAMES)
    assert shown(run)["table"] == "a"
    (run / "current").unlink()
    (run / "current").symlink_to(target)
    assert (other / "table").exists()
    with pytest.raises(StorageError, match=r"current leads to .*: run one again, or load_run") as caught:
        generations.current_folder(run)
    assert "\n" not in str(caught.value)
    generations.publish(run, "a", NAMES)
    assert shown(run) == {"run.json": "a", "table": "a"}


def test_an_empty_file_in_place_of_the_link_says_nothing(tmp_path):
    for key in "ab":
        write(tmp_path / "generations" / key, key)
    (tmp_path / "current").write_text("")
    with pytest.raises(StorageError, match="which of its 2 configurations is current"):
        generations.current_folder(tmp_path)


def test_one_generation_without_its_link_is_the_run(tmp_path):
    only = write(tmp_path / "generations" / "a", "a")
    assert generations.current_folder(tmp_path) == only


HOLD = """
import sys, time
from pathlib import Path
from congruence.storage.run_folder import held, open_folder
with held(open_folder(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_names_its_process_and_dies_with_it(tmp_path, caplog):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    named = rf"in use by process {process.pid} on .* try again"
    with pytest.raises(StorageError, match=named), folder_lock(tmp_path, wait=False):
        pass
    threading.Timer(0.5, lambda: process.send_signal(signal.SIGKILL)).start()
    started = time.monotonic()
    with held(open_folder(tmp_path)):
        assert 0.3 < time.monotonic() - started < 20
    process.wait()
    assert f"in use by process {process.pid}" in caplog.text
    assert "waiting" in caplog.text


def test_without_locks_it_is_said_and_gone_on(tmp_path, monkeypatch, caplog):
    import fcntl

    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    with folder_lock(tmp_path) as alone:
        assert not alone
    assert "has no locks" in caplog.text


def temporary(folder: Path, host: str, process: int) -> Path:
    path = folder / f".cell.{host}-{process}-0123abcd.tmp"
    path.mkdir(parents=True)
    (path / "part").write_text("half")
    return path


def test_what_dead_processes_left_goes_whatever_their_host(tmp_path):
    mine = temporary_beside(tmp_path / "cells" / "x")
    here = mine.name.split(".")[2].partition("-")[0]
    mine.parent.mkdir()
    mine.write_text("mine")
    living = temporary(tmp_path / "cells", here, os.getppid())
    same_number = temporary(tmp_path / "a" / "b", here, os.getpid())
    dead = temporary(tmp_path / "generations", here, 2**31 - 2)
    other_host = temporary(tmp_path, "abcdef", os.getppid())
    assert set(left_over(tmp_path, alone=False)) == {same_number, dead}
    with held(open_folder(tmp_path)):
        assert not any(path.exists() for path in (same_number, dead, other_host))
    assert mine.exists()
    assert living.exists()
    day = time.time() - 25 * 3600
    for path in (living / "part", living):
        os.utime(path, (day, day))
    assert set(left_over(tmp_path, alone=False)) == {living}


def test_the_probe_follows_no_link(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".writable").symlink_to(tmp_path / "target")
    (tmp_path / "out" / "writable").symlink_to(tmp_path / "target")
    open_folder(tmp_path / "out")
    assert not (tmp_path / "target").exists()


def test_a_lock_that_is_a_link_is_refused(tmp_path):
    (tmp_path / ".lock").symlink_to(tmp_path / "target")
    with pytest.raises(StorageError, match="remove it"), folder_lock(tmp_path):
        pass
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"host": 3})])
def test_a_lock_without_a_name_is_another_process(tmp_path, content):
    (tmp_path / ".lock").write_text(content)
    from congruence.storage.lock import holder

    assert holder(tmp_path) == "another process"
