"""However a command ends: one line, the right exit code, a log that tells why, nothing half-written."""

import errno
import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from command_line import ENVIRONMENT, command, congruence, in_process

from congruence.cli.streams import Forgiving, forgiving_streams
from congruence.errors import ConfigError, Stopped
from congruence.run import compare, load_run

ENDINGS = [
    (ConfigError("key 'x' is unknown: write y"), 2, "error: key 'x' is unknown: write y", "ended: key 'x'"),
    (KeyboardInterrupt(), 130, "interrupted: run the same", "interrupted (Ctrl-C)"),
    (Stopped(signal.SIGTERM), 143, "stopped by SIGTERM: run the same", "interrupted (stopped by SIGTERM)"),
    (Stopped(signal.SIGHUP), 129, "stopped by SIGHUP: run the same", "interrupted (stopped by SIGHUP)"),
    (ZeroDivisionError("over\nzero \x1b[31m"), 1, "ZeroDivisionError: over zero", "ZeroDivisionError: over"),
    (RecursionError("too deep"), 1, "RecursionError: too deep", "Traceback"),
    (EOFError("short file"), 1, "EOFError: short file", "Traceback"),
    (AssertionError(), 1, "AssertionError", "Traceback"),
    (MemoryError("2.8 TiB"), 2, "memory ran out (2.8 TiB)", "Traceback"),
    (
        OSError(errno.ENOSPC, "No space left on device", "/x/y"),
        2,
        "/x/y: No space left on device",
        "Traceback",
    ),
    (FileNotFoundError(errno.ENOENT, "No such file", "/x"), 1, "FileNotFoundError", "Traceback"),
]


@pytest.fixture
def failing(monkeypatch):
    assert callable(compare)  # its module is loaded now

    def fail_with(error):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr(sys.modules["congruence.run.bench"], "open_sides", fail)

    return fail_with


@pytest.mark.parametrize(("error", "code", "said", "logged"), ENDINGS, ids=lambda v: type(v).__name__)
def test_a_run_that_ends_early(
    failing, small_config, write_config, tmp_path, capsys, error, code, said, logged
):
    failing(error)
    done = in_process(capsys, "run", write_config(small_config), "--out", tmp_path / "out", "--no-progress")
    assert done.returncode == code
    (line,) = filter(None, done.stderr.splitlines())  # click ends the line that ^C stands on
    assert said in line
    assert line.isprintable()
    log = (tmp_path / "out" / "run.log").read_text()
    assert logged in log
    if "Traceback" in log:
        assert str(tmp_path / "out" / "run.log") in line
        assert type(error).__name__ in log


def test_the_log_says_what_runs_where(failing, small_config, write_config, tmp_path, capsys):
    failing(ConfigError("x"))
    in_process(capsys, "run", write_config(small_config), "--out", tmp_path / "out", "--no-progress")
    first = (tmp_path / "out" / "run.log").read_text().splitlines()[0]
    for part in ("congruence ", "torch ", "numba ", "Python ", "host ", f"process {os.getpid()}", "kernels"):
        assert part in first


def test_without_a_run_folder_the_traceback_has_a_file_of_its_own(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("congruence.metrics.METRICS", None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = in_process(capsys, "list", "measures")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    (named,) = re.findall(r"its traceback is in (\S+)", line)
    assert Path(named).parent == tmp_path
    assert "Traceback" in Path(named).read_text()


def test_a_log_that_cannot_be_written_is_one_line(small_config, write_config, tmp_path, capsys):
    (tmp_path / "out" / "run.log").mkdir(parents=True)
    done = in_process(capsys, "run", write_config(small_config), "--out", tmp_path / "out", "--no-progress")
    assert done.returncode == 2
    assert "run.log" in done.stderr
    assert len(done.stderr.splitlines()) == 1


class Broken(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "pipe"), OSError(errno.EIO, "gone"), OSError(errno.ENOSPC, "full")]
)
def test_output_that_nobody_takes_does_not_end_the_work(monkeypatch, error):
    monkeypatch.setattr(sys, "stdout", Broken(error))
    monkeypatch.setattr(sys, "stderr", None)
    from congruence.cli.main import main

    if error.errno == errno.ENOSPC:  # of a file, which is cut short
        with pytest.raises(SystemExit) as ended:
            main(["list", "measures"])
        assert ended.value.code == 2
    else:
        main(["list", "measures"])
    with forgiving_streams():
        print("lost")
        print("lost", file=sys.stderr)
        assert isinstance(sys.stdout, Forgiving)
    assert sys.stderr is None


def test_a_pipe_that_closes():
    process = subprocess.Popen(
        command("list", "nulls"), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert process.stderr.read() == b""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_file_that_is_cut_short_is_told():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("list", "nulls"),
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output can't be written (No space left on device)")
    assert done.stderr.count("\n") == 1


def temporary(folder):
    return list(folder.rglob(".*.tmp"))


def heeding():
    """Signals do what they usually do, also where whoever started the tests has them ignored (nohup)."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def stopped(config, out, number, after, before=heeding):
    """A run, started with signals as `before` sets them, that gets one when `after` stands in its log."""
    process = subprocess.Popen(
        command("run", config, "--out", out, "--no-pictures"),
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=before,  # noqa: PLW1509
    )  # fmt: skip
    log, until = out / "run.log", time.monotonic() + 120
    while time.monotonic() < until and not (log.exists() and after in log.read_text()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=300)
    return process.returncode, said.splitlines()


def test_sigterm_ends_in_order(small_config, write_config, tmp_path):
    code, said = stopped(write_config(small_config), tmp_path / "out", signal.SIGTERM, "computing")
    assert code == 143
    assert said[-1] == "stopped by SIGTERM: run the same command again to go on from here"
    assert temporary(tmp_path / "out") == []
    assert "stopped by SIGTERM" in (tmp_path / "out" / "run.log").read_text().splitlines()[-1]


@pytest.mark.slow
def test_every_signal_at_every_stage(small_config, write_config, tmp_path):
    small_config["corpus"]["documents"] = 130  # three shards
    small_config["concepts"] = ["Time", "People/Roles"]
    path, out = write_config(small_config), tmp_path / "out"
    stages = [
        (signal.SIGTERM, 143, "run starts"),
        (signal.SIGHUP, 129, "computing"),
        (signal.SIGINT, 130, "shard 2/"),
        (signal.SIGTERM, 143, "cell L1-L2"),
        (signal.SIGHUP, 129, "concepts of cell L1-L3"),
    ]
    for number, code, after in stages:
        found, said = stopped(path, out, number, after)
        assert found == code, said
        assert temporary(out) == []
    assert congruence("run", path, "--out", out, "--no-pictures").returncode == 0
    assert congruence("run", path, "--out", tmp_path / "undisturbed", "--no-pictures").returncode == 0
    resumed, undisturbed = load_run(out), load_run(tmp_path / "undisturbed")
    pd.testing.assert_frame_equal(
        resumed.results.drop(columns="seconds"), undisturbed.results.drop(columns="seconds")
    )
    pd.testing.assert_frame_equal(resumed.matches, undisturbed.matches)


@pytest.mark.slow
def test_nohup_goes_on(small_config, write_config, tmp_path):
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    code, _ = stopped(write_config(small_config), tmp_path / "out", signal.SIGHUP, "computing", before=ignore)
    assert code == 0


@pytest.mark.slow
def test_a_reader_that_leaves_does_not_lose_the_run(small_config, write_config, tmp_path):
    process = subprocess.Popen(
        command("run", write_config(small_config), "--out", tmp_path / "out", "-v"),
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=300) == 0
    assert (tmp_path / "out" / "run.json").exists()


def test_loggers_are_as_before(failing, small_config, write_config, tmp_path, capsys):
    before = list(logging.getLogger("congruence").handlers)
    failing(ZeroDivisionError())
    in_process(capsys, "run", write_config(small_config), "--out", tmp_path / "out", "--no-progress")
    assert logging.getLogger("congruence").handlers == before
