"""The same run by one process, by several, and by a Ray cluster: the same tables, whoever dies."""

import io
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import ENVIRONMENT, command, in_process
from command_line import congruence as started

import congruence
from congruence.errors import CongruenceError
from congruence.run.status import status_of

TABLES = ("results", "cells", "matches", "concept_keywords")


@pytest.fixture(scope="module")
def config(demo_assets) -> dict:
    from congruence.recipes import demo

    config = demo(draws=50).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    config["a"] |= {"layers": [1, 2]}
    config["b"] |= {"layers": [2, 3]}
    config["corpus"] |= {"documents": 160}
    config["concepts"] = {
        "lists": ["Emotions", "Nature"],
        "multi_token": [{"first": "Emotions", "second": "Nature"}],
    }
    return config


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("serial") / "run"
    congruence.compare(config, out=folder, progress=False)
    return tables(folder)


def tables(folder: Path) -> dict[str, bytes]:
    """Every table without how long it took, as the bytes of a Parquet file: every bit counts."""
    found = {}
    for name in TABLES:
        table = pq.read_table(folder / f"{name}.parquet")
        table = table.drop_columns([column for column in table.column_names if column == "seconds"])
        pq.write_table(table, written := io.BytesIO())
        found[name] = written.getvalue()
    return found


def assert_same(folder: Path, alone: dict[str, bytes]) -> None:
    assert [name for name, table in tables(folder).items() if table != alone[name]] == []


def workers_in(log: Path) -> set[int]:
    """Numbers of the worker processes that a run's log names."""
    text = log.read_text() if log.exists() else ""
    return {int(found) for found in re.findall(r"worker (?:\S+ )?(\d+)(?: started|:)", text)}


@pytest.mark.slow
def test_processes_with_workers_killed(config, alone, tmp_path, capsys):
    out = tmp_path / "out"
    killed: list[int] = []
    over = threading.Event()

    def kill_some() -> None:
        while not over.wait(0.5) and len(killed) < 3:
            fresh = sorted(workers_in(out / "run.log") - set(killed))
            if fresh:
                over.wait(3)
                try:
                    os.kill(fresh[0], signal.SIGKILL)
                except ProcessLookupError:
                    return
                killed.append(fresh[0])

    thread = threading.Thread(target=kill_some)
    thread.start()
    try:
        congruence.compare(
            config, out=out, progress=False, runner={"kind": "processes", "workers": 2, "attempts": 9}
        )
    finally:
        over.set()
        thread.join()
    assert_same(out, alone)
    log = (out / "run.log").read_text()
    assert killed
    assert "its worker died (killed, signal 9" in log
    assert not list(out.glob(".run-*"))
    status = status_of(out)
    assert status["state"] == "finished"
    assert {"capture, with others", "compare layer pairs, with others"} <= {
        s["name"] for s in status["stages"]
    }
    done = in_process(capsys, "status", out)
    assert done.returncode == 0
    assert "finished" in done.stdout.splitlines()[0]


@pytest.mark.slow
def test_driver_killed_and_started_again(config, alone, tmp_path, write_config):
    path, out = write_config(config), tmp_path / "out"
    arguments = ("run", path, "--out", out, "--runner", "processes", "--no-progress", "--no-pictures")
    with subprocess.Popen(command(*arguments), env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and not list(out.glob("cells/L*-L*-*")):
            time.sleep(0.1)
        process.kill()
    finished = {place.name for place in out.glob("cells/L*-L*-*")}
    assert finished
    assert not (out / "run.json").exists()
    done = started(*arguments)
    assert done.returncode == 0, done.stderr
    assert_same(out, alone)
    log = (out / "run.log").read_text()
    assert not re.search(r"worker \d+: shard 1/\d+: computing", log[log.rindex("run starts in") :])


@pytest.mark.slow
def test_ray_with_a_node_lost(config, alone, tmp_path):
    pytest.importorskip("ray", reason="Ray isn't installed: pip install '.[ray]'")
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    out, over = tmp_path / "out", threading.Event()

    def lose_a_node() -> None:
        while not over.wait(0.2):
            if list(out.glob("cells/L*-L*-*")):
                cluster.remove_node(node, allow_graceful=False)
                return

    thread = threading.Thread(target=lose_a_node)
    thread.start()
    try:
        congruence.compare(
            config, out=out, progress=False, runner={"kind": "ray", "address": cluster.address}
        )
    finally:
        over.set()
        thread.join()
        ray.shutdown()
        cluster.shutdown()
    assert_same(out, alone)
    assert len(workers_in(out / "run.log")) >= 2


def test_a_runner_that_cannot_be_had(small_config, tmp_path):
    def score(a, b):
        return float(a.shape[0] == b.shape[0])

    with pytest.raises(CongruenceError, match=r"measures\.score is an object in memory.*leave `runner` out"):
        congruence.compare(
            {**small_config, "measures": [score]}, out=tmp_path / "out", progress=False, runner="processes"
        )
    for runner, told in (
        ({"kind": "processes", "address": "auto"}, "processes doesn't read address"),
        ({"kind": "serial", "workers": 3}, "serial doesn't read workers"),
        ("slurm", "slurm"),
        ({"kind": "ray", "workers": 0}, "workers"),
    ):
        with pytest.raises(CongruenceError, match=told):
            congruence.compare(small_config, out=tmp_path / "out", progress=False, runner=runner)
    assert not (tmp_path / "out").exists()


def test_status_of_what_is_no_run(tmp_path, capsys):
    done = in_process(capsys, "status", tmp_path)
    assert done.returncode == 2
    assert "has no status.json: give the folder of a run" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
