"""Progress as lines: stages begin and end, work inside them is told with them, and nothing breaks the work."""

import sys
import threading
import time

import pytest

from congruence import progress
from congruence.progress import LineProgress, RichProgress, Silent, advance, shown, working


@pytest.fixture
def said(capsys):
    def read():
        return capsys.readouterr().err.splitlines()

    return read


def test_a_stage_begins_and_ends(said):
    with LineProgress(quiet=0) as lines:
        lines.advance("capture small", 0, 1000, "tokens")
        lines.advance("capture small", 400, 1000, "tokens")
        lines.advance("capture small", 1000, 1000, "tokens")
    begin, end = said()
    assert begin == "capture small: 1,000 tokens"
    assert end.startswith("capture small: done: 1,000 tokens in ")


def test_share_rate_and_time_left(said, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = LineProgress(quiet=0)
    lines.advance("capture", 200, 1000, "tokens")
    now[0] += 10
    lines.advance("capture", 400, 1000, "tokens")
    assert (
        lines._running["capture"].line == "capture: 40 %, 400 of 1,000 tokens, 20 tokens/s, about 30 s left"
    )
    assert said() == ["capture: 1,000 tokens, 200 of them before"]


def test_lines_come_while_nothing_moves(said):
    with LineProgress(quiet=0, every=0.02) as lines:
        lines.advance("compare layer pairs", 0, 25, "pairs")
        lines.advance("draws of rsa", 0, 1000, "draws")
        lines.advance("draws of rsa", 300, 1000, "draws")
        time.sleep(0.3)
        lines.advance("draws of rsa", 1000, 1000, "draws")
        lines.advance("compare layer pairs", 25, 25, "pairs")
    first, *between, last = said()
    assert first == "compare layer pairs: 25 pairs"
    assert len(between) >= 3
    assert all(line.startswith("compare layer pairs: 0 %") for line in between)
    assert any("; draws of rsa: 30 %, 300 of 1,000 draws" in line for line in between)
    assert last.startswith("compare layer pairs: done: 25 pairs in ")


def test_a_step_that_nobody_can_count(said, monkeypatch):
    monkeypatch.setattr(progress, "_view", lambda *_: LineProgress(quiet=0))
    with pytest.raises(ZeroDivisionError), shown(True), working("load small"):
        raise ZeroDivisionError
    assert said() == ["load small"]  # it wasn't done
    with shown(True), working("load small"), working("inside"):
        pass
    begin, end = said()
    assert begin == "load small"
    assert end.startswith("load small: done in ")


def test_deep_work_tells_what_is_shown(said, monkeypatch):
    monkeypatch.setattr(progress, "_view", lambda *_: LineProgress(quiet=0))
    advance("unseen", 0, 1, "x")
    with shown(True) as view:
        thread = threading.Thread(target=advance, args=("in a thread", 0, 5, "steps"))
        thread.start()
        thread.join()
        with shown(True) as inside:
            assert inside is view
        advance("in a thread", 5, 5, "steps")
    advance("unseen", 1, 1, "x")
    assert [line.split(":")[0] for line in said()] == ["in a thread", "in a thread"]


def test_lines_where_no_terminal_is_and_silence_on_request():
    with shown(True) as view:
        assert isinstance(view, LineProgress)
    with shown(False) as view:
        assert isinstance(view, Silent)


def test_bars_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("TTY_INTERACTIVE", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with shown(True) as view:
        assert isinstance(view, RichProgress)
        with working("load [small]"):
            advance("capture", 0, 10, "tokens")
            advance("capture", 10, 10, "tokens")


def test_a_stream_that_is_gone(monkeypatch):
    class Gone:
        def write(self, _):
            raise BrokenPipeError

        flush = write

    monkeypatch.setattr(sys, "stderr", Gone())
    with LineProgress(quiet=0, every=0.01) as lines:
        lines.advance("capture", 0, 10, "tokens")
        time.sleep(0.05)
        lines.advance("capture", 10, 10, "tokens")


def test_what_ends_at_once_says_nothing(said):
    with LineProgress(every=0.01, quiet=30) as lines:
        lines.advance("open models", 0, 0, "")
        time.sleep(0.05)
        lines.advance("open models", 1, 1, "")
    assert said() == []


def test_what_is_under_way_when_the_quiet_ends_is_named(said):
    with LineProgress(every=30, quiet=0.02) as lines:
        lines.advance("open models", 0, 0, "")
        time.sleep(0.3)
    assert [line.split(":")[0] for line in said()] == ["open models"]
