"""Runs in object storage, over HTTP, with a network that fails: the same tables, resumable, computed once."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from command_line import in_process
from stored_run import same_results, tiny

import congruence
from congruence.errors import CongruenceError
from congruence.recipes import demo
from congruence.run.remote import working_folder
from congruence.run.status import status_of
from object_server import s3_server


@pytest.fixture
def way(monkeypatch, tmp_path):
    monkeypatch.setenv("CONGRUENCE_CACHE", str(tmp_path / "user-cache"))
    monkeypatch.setattr("congruence.storage.objects.FIRST_PAUSE", 0.001)
    with s3_server(monkeypatch) as way:
        yield way


def forget(url: str) -> None:
    """Lose this machine's folder, as another machine never had it."""
    shutil.rmtree(working_folder(url))


def captured(folder: Path) -> int:
    """Shards that the last start computed."""
    log = (folder / "run.log").read_text()
    return len(re.findall(r"shard \d+/\d+: computing", log[log.rindex("run starts in") :]))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Three models, and their run in a folder."""
    base = tiny(demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True), concepts=None)
    small, big = ({k: v for k, v in base.pop(side).items() if k != "name"} for side in "ab")
    config = base | {"models": {"tiny": small, "big": big, "later": small | {"layers": [2]}}}
    return config, congruence.compare(config, out=tmp_path_factory.mktemp("zoo") / "alone", progress=False)


def same_models(one, other) -> None:
    """The tables over all pairs, and those of each pair."""
    for name in ("matrix", "cycles", "consensus", "universality"):
        pd.testing.assert_frame_equal(one._table(name), other._table(name))
    for x, y in other.pairs:
        same_results(one.pair_run(x, y), other.pair_run(x, y))


@pytest.mark.slow
def test_a_run_in_a_bucket(way, small_config, tmp_path, capsys):
    config = tiny(small_config)
    alone = congruence.compare(config, out=tmp_path / "alone", progress=False)
    url = "s3://bucket/some/run"
    way.faults.extend(["503", None, "cut", "slow", None, "drop", "503", "cut"])
    run = congruence.compare(config, out=url, progress=False)
    assert len(way.happened) == 6
    same_results(run, alone)

    forget(url)
    way.seen.clear()
    fetched = congruence.load_run(url)
    same_results(fetched, alone)
    assert len(fetched.null_scores("rsa", 1, 2)) == 10
    assert not any("list-type" in path for _, path in way.seen)  # no listing is a source of truth
    assert not any("/activations/" in path and "/known/" not in path for _, path in way.seen)

    done = in_process(capsys, "status", url)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{url}: finished ")
    done = in_process(capsys, "export", url, "--to", "parquet", "--out", tmp_path / "exported")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_stopped_in_a_bucket_and_gone_on_with_elsewhere(way, small_config, tmp_path, monkeypatch):
    config, url = tiny(small_config), "s3://bucket/run"
    way.chosen = lambda method, path: method == "PUT" and "/objects/cells/" in path
    way.faults.extend(["503"] * 100)
    with pytest.raises(
        CongruenceError, match=r"can't write s3://bucket/run/objects/cells/\S+, tried 7 times"
    ):
        congruence.compare(config, out=url, progress=False)
    assert status_of(url)["state"] == "failed"
    with pytest.raises(
        CongruenceError, match=r"no finished run yet: see `congruence status s3://bucket/run`"
    ):
        congruence.load_run(url)
    way.faults.clear()
    forget(url)
    run = congruence.compare(config, out=url, progress=False)
    assert captured(working_folder(url)) == 0
    assert "found in s3://bucket/run" in (working_folder(url) / "run.log").read_text()
    alone = congruence.compare(config, out=tmp_path / "alone", progress=False)
    same_results(run, alone)

    forget(url)
    again = congruence.compare(config, out=url, progress=False)
    same_results(again, alone)
    assert captured(working_folder(url)) == 0
    log = (working_folder(url) / "run.log").read_text()
    assert "published before, shown again" in log
    assert again.configuration == run.configuration == alone.configuration


@pytest.mark.slow
def test_runs_that_share_a_capture_compute_it_once(way, small_config, tmp_path):
    config = tiny(small_config) | {"cache": "s3://bucket/cache"}
    one = congruence.compare(config, out=tmp_path / "one", progress=False)
    assert captured(tmp_path / "one") > 0
    other = congruence.compare(
        config | {"seed": 5, "measures": ["pc1_correlation"]}, out="s3://other/two", progress=False
    )
    assert captured(working_folder("s3://other/two")) == 0
    same = congruence.compare(
        config | {"cache": str(tmp_path / "local")}, out=tmp_path / "three", progress=False
    )
    same_results(one, same)
    assert same.configuration == one.configuration != other.configuration
    fourth = congruence.compare(
        config | {"cache": str(tmp_path / "local")}, out=tmp_path / "four", progress=False
    )
    assert captured(tmp_path / "four") == 0
    log = (tmp_path / "four/run.log").read_text()
    assert re.search(r"cells/L1-L2-\w+: found in", log)
    same_results(one, fourth)
    shutil.rmtree(tmp_path / "three/activations")
    with pytest.raises(CongruenceError, match=r"s3://bucket/cache is a cache: name another place"):
        congruence.compare(config, out="s3://bucket/cache", progress=False)


@pytest.mark.slow
def test_several_models_in_a_bucket(way, zoo, tmp_path, capsys):
    """Pairs, tables over them and status come from the bucket alone; nothing of it is computed twice."""
    config, alone = zoo
    url = "s3://bucket/zoo"
    way.faults.extend(["503", None, "cut", None, "drop"])
    run = congruence.compare(config, out=url, progress=False)
    assert len(way.happened) == 3
    same_models(run, alone)
    assert run.configuration == alone.configuration
    assert captured(working_folder(url)) == 3  # each source once, though in two pairs

    forget(url)
    way.seen.clear()
    same_models(congruence.load_run(url), alone)
    assert not any("list-type" in path for _, path in way.seen)
    forget(url)
    pair = congruence.load_run(f"{url}/pairs/tiny~later")
    same_results(pair, alone.pair_run("tiny", "later"))
    assert [place.name for place in (working_folder(url) / "pairs").iterdir()] == ["tiny~later"]
    with pytest.raises(CongruenceError, match=r"has no pair 'big~huge': known are pairs/tiny~big, "):
        congruence.load_run(f"{url}/pairs/big~huge")
    for place in (url, f"{url}/pairs/tiny~big"):
        done = in_process(capsys, "status", place)
        assert done.returncode == 0
        assert "compare models: done" in done.stdout
    done = in_process(capsys, "export", f"{url}/pairs/tiny~big", "--to", "parquet", "--out", tmp_path / "x")
    assert done.returncode == 0, done.stderr
    assert in_process(capsys, "report", url).returncode == 0

    forget(url)  # gone on with on another machine: a further model, of which only its own pairs are computed
    models = config["models"] | {"last": config["models"]["big"] | {"layers": [3]}}
    more = congruence.compare(config | {"models": models}, out=url, progress=False)
    assert len(more.pairs) == 6
    assert captured(working_folder(url)) == 1
    log = (working_folder(url) / "run.log").read_text()
    assert len(re.findall(r" cell \S+ computed in", log)) == 3
    same_results(more.pair_run("tiny", "big"), alone.pair_run("tiny", "big"))


@pytest.mark.slow
def test_several_models_on_machines_that_share_nothing_but_a_bucket(way, zoo, apart):
    config, alone = zoo
    run = congruence.compare(
        config, out="s3://bucket/zoo", progress=False, runner={"kind": "processes", "workers": 2},
        cache="s3://bucket/cache",
    )  # fmt: skip
    same_models(run, alone)
    assert run.configuration == alone.configuration
    log = (working_folder("s3://bucket/zoo") / "run.log").read_text()
    assert len(re.findall(r"worker \d+: cell \S+ computed", log)) == 3
    assert len(re.findall(r" cell \S+ computed", log)) == 3


def test_what_cannot_be_reached_is_one_line(way, small_config, tmp_path, write_config, capsys):
    path = write_config(tiny(small_config))
    for out, told in (
        ("s3://nowhere/run", "there is no such bucket"),
        ("http://host/run", "nothing is stored by http://"),
        ("s3://bucket/a b", "isn't a bucket and a name in it"),
    ):
        done = in_process(capsys, "run", path, "--out", out, "--no-progress")
        assert done.returncode == 2
        assert told in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    for arguments in (("status", "s3://bucket/none"), ("report", "s3://bucket/none")):
        done = in_process(capsys, *arguments)
        assert done.returncode == 2
        assert "s3://bucket/none holds no run" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    with pytest.raises(CongruenceError, match=r"was a URL before it was made a Path: give it as text"):
        congruence.compare(path, out=Path("s3://bucket/run"), progress=False)
    done = in_process(capsys, "demo", "--out", "s3://bucket/demo")
    assert done.returncode == 2
    assert "is a URL, which `congruence run` takes" in done.stderr


@pytest.fixture
def apart(tmp_path, monkeypatch) -> None:
    """Workers that don't see the run's folder work in one of their own, and everything goes by the bucket."""
    opening = tmp_path / "opening.py"
    opening.write_text(
        "import os, tempfile\n"
        "from congruence.run import bench\n"
        "def open_worker(config, path, mark, url):\n"
        "    os.environ['CONGRUENCE_CACHE'] = tempfile.mkdtemp()\n"
        "    return bench.open_worker(config, path + '-unseen', mark, url)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("congruence.run.sharing.WORKER", "opening:open_worker")


@pytest.mark.slow
def test_processes_on_machines_that_share_nothing_but_a_bucket(way, small_config, tmp_path, apart):
    config = tiny(small_config, b=small_config["b"] | {"layers": [2, 3]})
    alone = congruence.compare(config, out=tmp_path / "alone", progress=False)
    run = congruence.compare(
        config, out="s3://bucket/run", progress=False, runner={"kind": "processes", "workers": 2}
    )
    same_results(run, alone)
    log = (working_folder("s3://bucket/run") / "run.log").read_text()
    assert len(re.findall(r"worker \d+: cell \S+ computed", log)) == 3  # with the ceiling of b
    assert len(re.findall(r"cells/L1-L\d-\w+: found in s3://bucket/run", log)) == 2
