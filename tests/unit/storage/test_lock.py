"""One process at a time, by either system's locks; what differs between them is a function of five lines."""

import fcntl
import json
import os
import struct
import sys
import types
from pathlib import Path

import pytest

from congruence.errors import StorageError
from congruence.storage import lock


def locking(handle: int, mode: int, count: int) -> None:
    """What `msvcrt.locking` does, by Linux's locks of an open file's bytes: the same bytes, the same error."""
    assert mode == 2
    start = os.lseek(handle, 0, os.SEEK_CUR)
    reads = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY  # which is enough on Windows
    where = struct.pack("hhlli", fcntl.F_RDLCK if reads else fcntl.F_WRLCK, os.SEEK_SET, start, count, 0)
    fcntl.fcntl(handle, fcntl.F_OFD_SETLK, where)  # PermissionError or BlockingIOError where it is held


@pytest.fixture(params=["posix", "windows"])
def system(request, monkeypatch) -> str:
    if request.param == "windows":
        if not hasattr(fcntl, "F_OFD_SETLK"):
            pytest.skip("no locks of an open file's bytes to stand in for those of Windows")
        monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, locking=locking))
        monkeypatch.setattr(lock, "_lock", lock._lock_windows)
        monkeypatch.delattr(os, "pwrite")  # Windows has none
        monkeypatch.delattr(os, "O_NOFOLLOW")
    return request.param


@pytest.mark.usefixtures("system")
def test_a_folder_is_held_until_the_block_ends(tmp_path: Path) -> None:
    assert not lock.is_held(tmp_path)
    with lock.folder_lock(tmp_path) as alone:
        assert alone
        assert lock.is_held(tmp_path)
        named = rf"in use by process {os.getpid()} on .* since .*: try again"
        with pytest.raises(StorageError, match=named), lock.folder_lock(tmp_path, wait=False):
            pass
    assert not lock.is_held(tmp_path)
    with lock.folder_lock(tmp_path, wait=False) as alone:
        assert alone


def test_the_holder_s_name_can_be_read_while_it_holds(tmp_path: Path, system: str) -> None:
    (tmp_path / lock.NAME).write_text("x" * 500)
    with lock.folder_lock(tmp_path):
        assert json.loads((tmp_path / lock.NAME).read_text())["process"] == os.getpid()
        if system == "windows":  # the byte that is locked, which no other process can read, is far behind it
            assert (tmp_path / lock.NAME).stat().st_size < lock._FAR


def test_a_file_system_without_locks_is_said_and_worked_on(tmp_path: Path, monkeypatch, caplog) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock, "_lock", none)
    with lock.folder_lock(tmp_path) as alone:
        assert not alone
    assert "has no locks" in caplog.text
    assert not lock.is_held(tmp_path)
