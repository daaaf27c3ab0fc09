"""Workers in processes of their own: whoever dies is replaced, and nothing is lost or done without need."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from congruence.errors import InputError, StorageError
from congruence.runners import Opening, Task
from congruence.runners.base import LostWorkerError, TaskError
from congruence.runners.processes import Processes

HERE = Path(__file__).parent


@pytest.fixture
def opening(tmp_path, monkeypatch) -> Opening:
    monkeypatch.syspath_prepend(str(HERE))
    return Opening("jobs_for_workers:open_jobs", (str(tmp_path),))


def jobs(*what: str) -> list[Task]:
    return [Task("job", f"job{i}", (one,)) for i, one in enumerate(what)]


def test_every_task_is_done_whoever_dies(opening, tmp_path):
    seen = []
    with Processes(opening, workers=2) as runner:
        runner.do(jobs("do", "die once", "do", "full", "do"), lambda task: seen.append(task.name))
        runner.do(jobs("do"), lambda task: seen.append(task.name))
        runner.do([], lambda task: seen.append(task.name))
    assert sorted(seen) == ["job0", "job0", "job1", "job2", "job3", "job4"]
    workers = {(tmp_path / f"job{i}").read_text() for i in range(5)}
    assert str(os.getpid()) not in workers
    for worker in workers:
        with pytest.raises(OSError, match="No such process"):
            os.kill(int(worker), 0)


def test_a_worker_that_is_killed_before_it_begins_is_replaced(opening, tmp_path, monkeypatch, caplog):
    class KilledAtOnce(subprocess.Popen):
        left = 2

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            if KilledAtOnce.left:
                KilledAtOnce.left -= 1
                self.kill()

    monkeypatch.setattr("subprocess.Popen", KilledAtOnce)
    with Processes(opening, workers=1, attempts=3) as runner:
        runner.do(jobs("do"), lambda task: None)
    assert (tmp_path / "job0").exists()
    assert caplog.text.count("ended before it began (killed, signal 9") == 2
    KilledAtOnce.left = 2
    with Processes(opening, workers=1, attempts=2) as runner, pytest.raises(StorageError, match="signal 9"):
        runner.do(jobs("do"), lambda task: None)


def test_what_ends_a_task_ends_the_run_in_one_line(opening, tmp_path, caplog):
    with Processes(opening, workers=2, attempts=2) as runner:
        with pytest.raises(InputError, match=r"^job0 can't be used$"):
            runner.do(jobs("refuse"), lambda task: None)
        with pytest.raises(TaskError, match="job0: RuntimeError: nobody foresaw this"):
            runner.do(jobs("break"), lambda task: None)
        assert "Traceback" in caplog.text
        with pytest.raises(LostWorkerError, match=r"job0: its worker died, 2 of 2 times \(killed, signal 9"):
            runner.do(jobs("die"), lambda task: None)
    (tmp_path / "closed").touch()
    with Processes(opening, workers=1) as runner, pytest.raises(InputError, match="workplace is closed"):
        runner.do(jobs("do"), lambda task: None)


def test_workers_end_with_the_process_that_started_them(tmp_path):
    """However that is ended."""
    call = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
from congruence.runners import Opening, Task
from congruence.runners.processes import Processes
runner = Processes(Opening("jobs_for_workers:open_jobs", ({str(tmp_path)!r},)), workers=1)
runner.do([Task("job", "one", ("do",))], lambda task: None)
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", call], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        worker = int((tmp_path / "one").read_text())
        os.kill(worker, 0)
        process.kill()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker lives on")
