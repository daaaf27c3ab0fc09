"""Files are whole or absent; keys depend on content alone; another tool's file is refused."""

import os
import subprocess
import sys

import numpy as np
import pytest

from congruence.errors import StorageError
from congruence.storage import (
    atomic_folder,
    atomic_path,
    check_header,
    content_key,
    file_key,
    folder_key,
    header,
    read_json,
    write_json,
)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_failed_folder_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "cell") as temporary:
        (temporary / "part").write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


KILLED = """
import os, sys
from pathlib import Path
from congruence.storage import atomic_folder
with atomic_folder(Path(sys.argv[1])) as temporary:
    (temporary / "part").write_text("half")
    os._exit(9)
"""


def test_what_a_killed_process_left_goes_when_its_file_is_made_again(tmp_path):
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path / "cell.v1"], check=False).returncode == 9
    with atomic_folder(tmp_path / "cell") as other, atomic_folder(tmp_path / "cell") as same:
        assert other.exists()
        assert same.exists()
    assert len(list(tmp_path.glob(".cell.v1.*.tmp"))) == 1
    with atomic_folder(tmp_path / "cell.v1") as temporary:
        (temporary / "part").write_text("whole")
    assert sorted(os.listdir(tmp_path)) == ["cell", "cell.v1"]


def test_a_path_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="can't make folder"):
        write_json(tmp_path / "file" / "x.json", {})


def test_keys():
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key([1, 2]) != content_key([2, 1])
    assert content_key(np.float64(1.5)) == content_key(1.5)
    assert content_key(np.zeros(3)) != content_key(np.ones(3))
    with pytest.raises(TypeError, match="no content key"):
        content_key(object())


def test_folder_key_sees_names_and_bytes(tmp_path):
    (tmp_path / "a").write_text("1")
    before = folder_key(tmp_path)
    (tmp_path / "a").write_text("2")
    changed = folder_key(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({before, changed, folder_key(tmp_path)}) == 3
    assert len(file_key(tmp_path / "b")) == 16


@pytest.mark.parametrize("record", [None, [], {}, {"kind": "other/run"}])
def test_foreign_artefact_is_refused(tmp_path, record):
    with pytest.raises(StorageError, match="name another folder"):
        check_header(record, "run", 1, tmp_path)


def test_newer_artefact_is_refused(tmp_path):
    with pytest.raises(StorageError, match="upgrade congruence"):
        check_header(header("run", 2), "run", 1, tmp_path)


def test_broken_json_names_the_file(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(StorageError, match=r"run\.json can't be read"):
        read_json(tmp_path / "run.json")
    with pytest.raises(StorageError, match="doesn't exist"):
        read_json(tmp_path / "absent.json")
