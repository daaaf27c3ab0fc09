"""A run killed at any point goes on, repeats nothing that was finished, and ends with the same numbers."""

import os
import signal
import subprocess
import time

import pandas as pd
import pytest
from command_line import ENVIRONMENT, command, congruence

import congruence as package


def kill_when(process: subprocess.Popen, log, text: str, *, timeout: float = 120) -> None:
    """Kill -9 as soon as `text` stands in the log."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if log.exists() and text in log.read_text():
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    raise AssertionError(f"{text!r} never stood in the log")


@pytest.mark.slow
def test_kill_during_capture_and_during_the_grid(small_config, write_config, tmp_path):
    small_config["corpus"]["documents"] = 130  # three shards
    small_config["concepts"] = ["Time", "People/Roles"]
    path, out = write_config(small_config), tmp_path / "out"
    # In a process like the others: with other numbers of threads the last digit of a decomposition differs.
    done = congruence("run", path, "--out", tmp_path / "undisturbed", "--no-progress", "--no-pictures")
    assert done.returncode == 0, done.stderr
    undisturbed = package.load_run(tmp_path / "undisturbed")
    arguments = command("run", path, "--out", out, "--no-progress", "--no-pictures")

    def start() -> subprocess.Popen:
        return subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.DEVNULL)

    kill_when(start(), out / "run.log", "shard 2/")
    assert not (out / "run.json").exists()
    # A line stands in the log just before its result is on disk; the next line says that it is.
    kill_when(start(), out / "run.log", "concepts of cell L1-L2")
    kill_when(start(), out / "run.log", "concepts of cell L1-L3")
    assert start().wait(timeout=300) == 0

    resumed = package.load_run(out)
    log = (out / "run.log").read_text()
    pd.testing.assert_frame_equal(
        resumed.results.drop(columns="seconds"), undisturbed.results.drop(columns="seconds")
    )
    pd.testing.assert_frame_equal(resumed.matches, undisturbed.matches)
    pd.testing.assert_frame_equal(resumed.concept_keywords, undisturbed.concept_keywords)
    assert log.count("cell L1-L2 computed") == 1
    assert "cell L1-L2: finished before" in log
    assert log.count("cell L1-L3 computed") == 1
    assert "concepts of cell L1-L2: finished before" in log
    assert "reused" in log
