"""Values held up to a number of bytes, and how many bytes there are."""

import subprocess
import sys

import pytest

from congruence.storage import MemoryCache, available_bytes
from congruence.storage.memory import _of_group


def test_what_goes_is_told():
    dropped = []
    cache: MemoryCache[str] = MemoryCache(5, len, dropped=dropped.append)
    for word in ("abc", "de", "fgh"):
        cache.get(word, lambda word=word: word)
    assert dropped == ["abc"]
    assert len(cache) == 2
    cache.keep("fgh", "never held")
    assert dropped == ["abc", "de"]
    assert cache.get("fgh", lambda: "made again") == "fgh"


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"max": "1000\n", "current": "300\n", "stat": "anon 1\ninactive_file 50\n"}, 750),
        ({"max": "1000\n", "current": "1300\n", "stat": ""}, 0),
        ({"max": "1000\n", "current": "10\n"}, 990),
        ({"max": "max\n", "current": "300\n"}, None),
        ({}, None),
    ],
)
def test_a_control_group_s_limit_counts(tmp_path, files, left):
    for name, text in files.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert _of_group(tmp_path) == left


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_a_limited_address_space_counts():
    code = "from congruence.storage import available_bytes; print(available_bytes())"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 3000000; exec '{sys.executable}' -c '{code}'"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 0 < int(done.stdout) < 3_000_000 * 1024
    assert (available_bytes() or 1) > 0
