"""Keys looked up by a file's stamp, answers kept in a folder, values held up to a number of bytes."""

import os

import numpy as np
import pytest

from congruence.storage import Memo, MemoryCache, file_key, folder_stamps, stamped_file_key, stamps


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A file that is worth looking up, last changed long ago, and an empty cache folder."""
    monkeypatch.setenv("CONGRUENCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(stamps, "SMALL", 10)
    monkeypatch.setattr(stamps, "_SETTLED_NS", -1)
    file = tmp_path / "weights.bin"
    file.write_bytes(b"a" * 100)
    os.utime(file, ns=(10**18, 10**18))
    return file


@pytest.fixture
def read(monkeypatch):
    """Grows by each file that is read through."""
    files = []
    monkeypatch.setattr(stamps, "file_key", lambda path: (files.append(path), file_key(path))[1])
    return files


class TestStamps:
    def test_a_file_is_read_once(self, large, read):
        assert stamped_file_key(large) == stamped_file_key(large) == file_key(large)
        assert len(read) == 1

    def test_another_content_of_the_same_size_and_time_is_seen(self, large, read):
        stamped_file_key(large)
        large.write_bytes(b"b" * 100)
        os.utime(large, ns=(10**18, 10**18))  # the time of the last change of state can't be set
        assert stamped_file_key(large) == file_key(large)
        assert len(read) == 2

    def test_a_file_changed_just_now_is_not_trusted(self, large, read, monkeypatch):
        monkeypatch.setattr(stamps, "_SETTLED_NS", 10**12)
        assert stamped_file_key(large) == stamped_file_key(large)
        assert len(read) == 2

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"stamp": 3}'])
    def test_a_broken_cache_is_passed_over(self, large, read, content):
        stamped_file_key(large)
        (kept,) = (stamps.cache_folder() / "file-keys").iterdir()
        kept.write_text(content)
        assert stamped_file_key(large) == file_key(large)
        assert len(read) == 2

    def test_a_cache_that_can_t_be_written_is_passed_over(self, large, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("CONGRUENCE_CACHE", str(tmp_path / "file" / "below"))
        assert stamped_file_key(large) == file_key(large)

    def test_small_files_leave_no_trace(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CONGRUENCE_CACHE", str(tmp_path / "cache"))
        (tmp_path / "small").write_text("x")
        stamped_file_key(tmp_path / "small")
        assert not (tmp_path / "cache").exists()

    def test_a_folder_has_the_stamps_of_all_its_files(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "x").write_text("1")
        before = folder_stamps(tmp_path)
        assert [stamp[0] for stamp in before] == ["a/x"]
        (tmp_path / "a" / "x").write_text("12")
        (tmp_path / ".hidden").write_text("")
        assert folder_stamps(tmp_path) != before
        assert len(folder_stamps(tmp_path)) == 1


class TestMemo:
    def test_an_answer_is_computed_once(self, tmp_path):
        asked = []
        for _ in range(2):
            answer = Memo(tmp_path).value("shape", ["m", 1], lambda: (asked.append(1), {"n": 3})[1])
            assert answer == {"n": 3}
        assert len(asked) == 1
        assert Memo(tmp_path).look_up("shape", ["m", 2]) is None
        assert Memo(tmp_path).look_up("other", ["m", 1]) is None

    def test_arrays_come_back_as_they_were(self, tmp_path):
        arrays = {"ids": np.arange(6, dtype=np.int32).reshape(2, 3), "keep": np.array([True, False])}
        for compute in (lambda: arrays, lambda: pytest.fail("it was kept")):
            found = Memo(tmp_path).arrays("tokens", "k", compute)
            assert {name: (a.dtype, a.tolist()) for name, a in found.items()} == {
                name: (a.dtype, a.tolist()) for name, a in arrays.items()
            }

    @pytest.mark.parametrize("broken", [b"", b"{}", b"PK\x03\x04 cut off"])
    def test_what_is_broken_is_computed_again(self, tmp_path, broken):
        memo = Memo(tmp_path)
        memo.value("shape", 1, lambda: 1)
        memo.arrays("tokens", 1, lambda: {"a": np.ones(2)})
        for file in tmp_path.iterdir():
            file.write_bytes(broken)
        assert memo.value("shape", 1, lambda: 2) == 2
        assert memo.arrays("tokens", 1, lambda: {"a": np.zeros(2)})["a"].tolist() == [0, 0]

    def test_without_a_folder_nothing_is_kept(self):
        assert [Memo().value("shape", 1, lambda answer=answer: answer) for answer in (1, 2)] == [1, 2]


class TestMemoryCache:
    def test_the_longest_unused_goes_first(self):
        made = []
        cache = MemoryCache(10, lambda value: value)
        for key in (4, 5, 4, 3, 5, 4):
            assert cache.get(key, lambda key=key: (made.append(key), key)[1]) == key
        assert made == [4, 5, 3, 5, 4]
        assert len(cache) == 2

    def test_as_many_as_are_in_use_stay_whatever_their_size(self):
        made = []
        cache = MemoryCache(1, lambda value: value, at_least=2)
        for key in (8, 9, 8, 9, 7, 9):
            cache.get(key, lambda key=key: (made.append(key), key)[1])
        assert made == [8, 9, 7]

    def test_values_that_grow_are_weighed_again(self):
        sizes = {"a": 1, "b": 1}
        cache = MemoryCache(4, lambda value: sizes[value])
        cache.get("a", lambda: "a")
        sizes["a"] = 9
        cache.get("b", lambda: "b")
        assert len(cache) == 1
