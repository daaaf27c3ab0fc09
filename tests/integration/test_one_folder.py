"""Several configurations in one folder: side by side, one current, never mixed; prune; two at once; a full disk."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from command_line import ENVIRONMENT, command, in_process
from stored_run import run, same_results, stored_files, tiny

from congruence.errors import StorageError
from congruence.recipes import demo
from congruence.run import Run, load_run
from congruence.run.prune import prune, stored_in

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def configs() -> list[dict]:
    base = demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    first = tiny(base, concepts=None)
    second = first | {"measures": ["linear_cka"], "b": first["b"] | {"layers": [3]}}
    return [first, second]


@pytest.fixture(scope="module")
def alone(configs, tmp_path_factory) -> list[Run]:
    """Each configuration in a folder of its own."""
    return [run(config, tmp_path_factory.mktemp("alone")) for config in configs]


@pytest.fixture(scope="module")
def made(configs, alone, tmp_path_factory) -> Path:
    """The second configuration run into a finished folder of the first one, which has pictures."""
    out = tmp_path_factory.mktemp("both") / "out"
    shutil.copytree(alone[0].path, out, symlinks=True)
    run(configs[0], out, pictures=True)
    run(configs[1], out)
    return out


@pytest.fixture
def both(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out", symlinks=True))


def test_another_configuration_stands_beside_and_is_current(both, configs, alone):
    assert [load_run(both).configuration, load_run(alone[1].path).configuration] == [
        alone[1].configuration
    ] * 2
    for one in alone:
        same_results(load_run(both, configuration=one.configuration), one)
    assert set(pd.read_parquet(both / "results.parquet").measure) == {"linear_cka"}
    assert json.loads((both / "run.json").read_text())["config"]["measures"] == ["linear_cka"]
    assert not os.path.lexists(both / "report.html"), (
        "a page of the other configuration stands beside the tables"
    )
    assert not os.path.lexists(both / "figures")
    run(configs[0], both)
    assert "rsa" in (both / "report.html").read_text()
    assert load_run(both).configuration == alone[0].configuration


def test_an_unknown_configuration_is_named_with_those_there_are(both, alone):
    with pytest.raises(StorageError, match=rf"no configuration 'x': known are .*{alone[0].configuration}"):
        load_run(both, configuration="x")


def test_generations_that_changed_places_are_refused_and_made_again(both, configs, alone):
    first, second = (both / "generations" / one.configuration for one in alone)
    aside = first.with_name("aside")
    for source, target in ((first, aside), (second, first), (aside, second)):
        source.rename(target)
    for ask in (
        lambda: load_run(both),
        lambda: load_run(first),
        lambda: load_run(both, configuration=first.name),
        lambda: load_run(both, configuration=second.name),
    ):
        with pytest.raises(StorageError, match=r"was written for '\w+', not for '\w+': give the command"):
            ask()
    for config, one in zip(configs, alone, strict=True):
        same_results(run(config, both), one)
        same_results(load_run(both, configuration=one.configuration), one)


COMMANDS = {
    "report": ["report", "DIR"],
    "explore": ["explore", "DIR"],
    "figures": ["figures", "DIR", "--out", "OUT"],
    "tables": ["tables", "DIR", "--out", "OUT"],
    "export": ["export", "DIR", "--to", "parquet", "--out", "OUT"],
    "prune": ["prune", "DIR"],
    "compare-runs": ["compare-runs", "DIR", "DIR"],
}
ELSEWHERE = {
    "outside": "../other/current",
    "absolute": "OTHER",
    "nowhere": "generations/none",
    "itself": "current",
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_current_that_leads_elsewhere_is_one_line_and_a_run_sets_it_right(
    both, configs, alone, tmp_path, capsys, where
):
    other = Path(shutil.copytree(alone[0].path, tmp_path / "other", symlinks=True))
    (both / "current").unlink()
    (both / "current").symlink_to(ELSEWHERE[where].replace("OTHER", str(other / "current")))
    places = {"DIR": str(both), "OUT": str(tmp_path / "written")}
    for command_line in COMMANDS.values():
        done = in_process(capsys, *(places.get(word, word) for word in command_line))
        assert done.returncode == 2, command_line
        assert len(done.stderr.strip().splitlines()) == 1
        assert "current leads to" in done.stderr
    with pytest.raises(StorageError, match="current leads to"):
        load_run(both)
    assert not (tmp_path / "written").exists() or not list((tmp_path / "written").iterdir())
    same_results(load_run(both, configuration=alone[1].configuration), alone[1])
    same_results(run(configs[1], both), alone[1])
    assert load_run(both).configuration == alone[1].configuration


def test_report_draws_the_current_configuration_and_removes_stale_pictures(both, alone, capsys):
    folder = load_run(both).folder
    (folder / "figures").mkdir()
    (folder / "figures" / "measure_gone.png").write_bytes(b"")
    done = in_process(capsys, "report", both)
    assert done.returncode == 0, done.stderr
    assert "linear_cka" in (folder / "report.html").read_text()
    assert not (folder / "figures" / "measure_gone.png").exists()


def test_prune_lists_and_removes_what_nobody_uses(both, configs, alone, capsys):
    first, second = (one.configuration for one in alone)
    (both / "cells" / ".L1-L2.broken").mkdir()
    left = both / "activations" / ".x.abcdef-1-0123abcd.tmp"
    left.write_bytes(b"1234567")
    (both / "mine.txt").write_text("not the run's")
    listed = in_process(capsys, "prune", both, "-v")
    assert listed.returncode == 0, listed.stderr
    assert "--yes" in listed.stdout
    assert left.exists()
    unused = {str(one.path.relative_to(both)) for one in stored_in(both, alone=True) if not one.used_by}
    assert f"generations/{first}" in unused
    assert {"cells/.L1-L2.broken", "activations/.x.abcdef-1-0123abcd.tmp"} <= unused
    assert sum(name.startswith("activations/resid_post.2-") for name in unused) == 1
    assert not any(name.startswith("activations/resid_post.1-") for name in unused), "both use it"
    assert {str(one.path) for one in stored_in(both, keep=[first], alone=True) if one.kind == "cell"} == {
        str(one.path)
        for one in stored_in(both, keep=["all"], alone=True)
        if one.used_by and one.kind == "cell"
    }
    done = in_process(capsys, "prune", both, "--yes")
    assert done.returncode == 0
    assert "Removed" in done.stdout
    assert not any(os.path.lexists(both / name) for name in unused)
    assert (both / "mine.txt").exists()
    same_results(load_run(both), alone[1])
    assert prune(stored_in(both, alone=True)) == 0
    before = {path: path.stat().st_mtime_ns for path in stored_files(both) if "cells" in str(path)}
    run(configs[1], both)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what it uses was still there"
    assert second == load_run(both).configuration


@pytest.mark.parametrize("keep", [[], ["--keep", "nothing"]])
def test_prune_of_what_is_no_finished_run_is_one_line(alone, tmp_path, capsys, keep):
    done = in_process(capsys, "prune", alone[0].path if keep else tmp_path, *keep)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_run_of_an_earlier_version_is_read_and_kept(configs, alone, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for path in alone[1].folder.glob("*.parquet"):
        shutil.copy(path, old)
    record = json.loads((alone[1].folder / "run.json").read_text())
    record = {name: value for name, value in record.items() if name not in ("files", "checksum", "uses")}
    (old / "run.json").write_text(json.dumps(record | {"format_version": 2}))
    same_results(load_run(old), alone[1])
    run(configs[0], old)
    same_results(load_run(old), alone[0])
    (earlier,) = (old / "generations").glob("earlier-*")
    same_results(load_run(old, configuration=earlier.name), alone[1])


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [(0, 0), (0, 1)])
def test_two_at_once_both_end_right(configs, alone, tmp_path, chosen):
    started = []
    for number, which in enumerate(chosen):
        path = tmp_path / f"{number}.yaml"
        path.write_text(yaml.safe_dump(configs[which]))
        arguments = command("run", path, "--out", tmp_path / "out", "--no-progress")
        started.append(subprocess.Popen(arguments, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert sum("in use by" in text for text in said) <= 1
    for which in chosen:
        same_results(load_run(tmp_path / "out", configuration=alone[which].configuration), alone[which])
    assert not list((tmp_path / "out").rglob(".*.tmp"))


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_some_kills_between_configurations(tmp_path, monkeypatch, training):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kills

    seen = kills.trial(tmp_path, 2, training=training)
    assert seen.good, seen
    assert training or seen.reads


@pytest.mark.slow
def test_some_kills_over_a_bucket(tmp_path, monkeypatch):
    """Runs and workers are killed, some with their machine's folder: at most the tasks in flight are repeated."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kills

    seen = kills.trial(tmp_path, 2, store="s3", runners=["processes", "serial"], seed=1)
    assert seen.good, seen
    assert seen.computed
    assert seen.repeated_here <= 2 * seen.kills  # tasks in flight, of two workers


@pytest.fixture
def small_disk(tmp_path):
    """A file system in memory, of a size that can be changed."""
    place = tmp_path / "disk"
    place.mkdir()

    def size(number: int, *, again: bool = False) -> bool:
        options = f"size={number}{',remount' if again else ''}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False
        )
        return done.returncode == 0

    if not sys.platform.startswith("linux") or not size(1 << 16):
        pytest.skip("no file system can be mounted here")
    yield place, size
    subprocess.run(["umount", "-l", place], check=False)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(configs, alone, small_disk, tmp_path, capsys):
    place, size = small_disk
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(configs[0]))
    failed = 0
    for kilobytes in (64, 200, 400, 600, 800, 1000, 1200, 1600, 2000, 2400):
        assert size(kilobytes << 10, again=True)
        done = in_process(capsys, "run", path, "--out", place / "out", "--no-progress")
        if done.returncode == 0:
            break
        failed += 1
        lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        assert done.returncode == 2, done.stderr
        assert len(lines) == 1
        assert "No space left on device" in lines[0]
        assert "Traceback" not in done.stderr
        assert not list(place.rglob(".*.tmp"))
    assert failed > 4
    size(1 << 24, again=True)
    done = in_process(capsys, "run", path, "--out", place / "out", "--no-progress")
    assert done.returncode == 0, done.stderr
    same_results(load_run(place / "out"), alone[0])
