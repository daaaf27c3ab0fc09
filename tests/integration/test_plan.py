"""`congruence plan` of a small comparison: the run's own tasks, and speeds from a run that was made."""

import json

import pytest
from command_line import in_process
from stored_run import run, tiny

from congruence.run.grid import cells_of


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CONGRUENCE_CACHE", str(tmp_path / "user-cache"))


@pytest.mark.slow
def test_the_tasks_are_those_of_the_run(small_config, write_config, tmp_path, capsys):
    config = tiny(small_config)
    path, out = write_config(config), tmp_path / "out"
    done = in_process(capsys, "plan", path, "--json", "--workers", "1,4")
    assert done.returncode == 0, done.stderr
    before = json.loads(done.stdout)
    made = run(config, out)
    cells = cells_of({"a": [1], "b": [2]}, {"a": [], "b": []}, {"a": [], "b": []}, [])
    assert before["cells"] == len(cells) == len(made.cells)
    assert before["tokens"] == made.corpus["kept_tokens"]
    assert before["stages"]["capture"]["tasks"] == 2
    assert [one["workers"] for one in before["workers"]] == [1, 4]
    assert any("features fire on a token of every SAE" in line for line in before["assumed"])

    done = in_process(capsys, "plan", path, "--json", "--workers", "1", "--from", out)
    after = json.loads(done.stdout)
    assert not any("features fire" in line for line in after["assumed"])
    stores = [place for place in (out / "activations").glob("resid*") if place.is_dir()]
    written = sum(file.stat().st_size for store in stores for file in store.glob("shard-*/*.[if]4"))
    assert after["stages"]["capture"]["bytes"] == pytest.approx(written, rel=0.01)

    done = in_process(capsys, "plan", path, "--workers", "1,2")
    assert done.returncode == 0
    assert "Below 90 % from" in done.stdout
    assert not (tmp_path / "config-run").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--workers", "0"), "isn't numbers from 1 to 10000"),
        (("--core-hour", "-1"), "-1"),
        (("--from", "nowhere"), "'nowhere' isn't a folder"),
        (("--from", "a\x07b"), "isn't a folder"),
        (("--workers", ""), "isn't numbers"),
        (("--latency", "nan"), "isn't a number"),
        (("--bandwidth", "inf"), "inf"),
        (("--set", "null.draws=x"), "null.draws"),
    ],
)
def test_wrong_options_are_one_line(small_config, write_config, capsys, arguments, told):
    done = in_process(capsys, "plan", write_config(tiny(small_config)), *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
