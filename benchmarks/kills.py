"""Kill runs and trainings at random moments, with other configurations between, while a reader looks on.

python benchmarks/kills.py --kills 50 [--training] [--folder DIR] [--seed 0]

Two configurations of the demo, or two seeds of a small training, write into one folder. Each start is killed
with SIGKILL at a moment drawn evenly over the time that an undisturbed one takes; which configuration comes
next is drawn, too. Meanwhile a reader opens the folder again and again. In the end both are run to their end
and held against undisturbed ones. Prints what was seen; exit code 1 if a number differs, a read was mixed, or
a temporary file is left.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from congruence import load_run
from congruence.errors import StorageError
from congruence.recipes import demo
from congruence.recipes.demo import demo_folder

ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


@dataclass
class Seen:
    """What happened.

    Attributes:
        kills: processes that were killed before their end.
        reads: times that the folder was opened.
        mixed: reads whose tables and record belong to different configurations.
        failed: reads that ended in an error although a run was finished.
        left: temporary names in the folder at the end.
        different: files or tables that aren't what an undisturbed run gives.
    """

    kills: int = 0
    reads: int = 0
    mixed: int = 0
    failed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.mixed or self.failed or self.left or self.different)


def run_configs(folder: Path) -> list[list[str]]:
    """Commands, all but the folder, of two configurations that differ in measures, draws and layers."""
    base = demo().model_dump(by_alias=True, mode="json", exclude_defaults=True)
    base["corpus"] |= {"documents": 40}
    changes = [(["linear_cka"], 30, [2]), (["rsa", "translation_accuracy"], 50, [2, 3])]
    for number, (measures, draws, layers) in enumerate(changes):
        config = base | {"measures": measures, "null": {"kind": "pairing", "draws": draws}}
        config["a"] = base["a"] | {"layers": [1, 2]}
        config["b"] = base["b"] | {"layers": layers}
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(config))
    return [["run", str(folder / f"{n}.yaml"), "--no-progress", "--out"] for n in range(2)]


def training_configs(folder: Path) -> list[list[str]]:
    """Commands, all but the folder, of trainings under two seeds."""
    assets = demo_folder()
    config = {
        "model": str(assets / "small"),
        "corpus": {"path": str(assets / "text" / "comparison.jsonl"), "documents": 60, "max_tokens": 128},
        "held_out_documents": 5,
        "layers": [1, 2],
        "sae": {"k": 8, "expansion": 2},
        "training": {"steps": 150, "batch": 256, "buffer": 2048, "checkpoint_every": 10},
    }
    (folder / "train.yaml").write_text(yaml.safe_dump(config))
    return [["train-sae", str(folder / "train.yaml"), "--seed", str(n), "--out"] for n in range(2)]


def trial(folder: Path, kills: int, *, training: bool = False, seed: int = 0) -> Seen:
    """Kill so many processes and look at what is left."""
    folder.mkdir(parents=True, exist_ok=True)
    commands = (training_configs if training else run_configs)(folder)
    started = time.monotonic()
    for number, command in enumerate(commands):
        _start(command, folder / f"undisturbed{number}").wait()
    seconds = (time.monotonic() - started) / len(commands)
    out, seen, rng, done = folder / "out", Seen(), np.random.default_rng(seed), threading.Event()
    reader = threading.Thread(target=lambda: None if training else _read(out, seen, done))
    reader.start()
    while seen.kills < kills:
        command = commands[rng.integers(len(commands))]
        if not training and rng.random() < 0.7:  # else everything is finished soon
            command = _another(command, seed=int(rng.integers(1 << 30)))
        process, began = _start(command, out), time.monotonic()
        try:
            process.wait(timeout=rng.uniform(0, seconds))
            seconds = 0.5 * seconds + 0.5 * (time.monotonic() - began)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            seen.kills += 1
    for number, command in enumerate(commands):
        if _start(command, out).wait():
            seen.different.append(" ".join(command))
        compared = _trained if training else _results
        seen.different += compared(folder / f"undisturbed{number}", out)
    done.set()
    reader.join()
    seen.left = [str(path.relative_to(out)) for path in out.rglob(".*.tmp")]
    return seen


def _another(command: list[str], *, seed: int) -> list[str]:
    """The same run under a seed that the folder doesn't hold yet."""
    config = yaml.safe_load(Path(command[1]).read_text())
    path = Path(command[1]).with_name("another.yaml")
    path.write_text(yaml.safe_dump(config | {"seed": seed}))
    return [command[0], str(path), *command[2:]]


def _start(command: list[str], out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "congruence", *command, str(out)],
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def _read(out: Path, seen: Seen, done: threading.Event) -> None:
    finished = False
    while not done.is_set():
        try:
            run = load_run(out)
            matches = run.matches
        except StorageError as error:
            if finished:
                seen.failed.append(str(error))
            time.sleep(0.02)
            continue
        finished = True
        seen.reads += 1
        layers = set(run.config["b"]["layers"])
        same = set(run.results.measure) == set(run.config["measures"])
        same &= run.results.draws.max() == run.config["null"]["draws"]
        for table in (run.results, run.cells, matches):
            same &= set(table.layer_b[table.control == "none"]) == layers
        seen.mixed += not same
        time.sleep(0.02)


def _results(undisturbed: Path, out: Path) -> list[str]:
    one, other = load_run(undisturbed), load_run(out)
    found = []
    for name in ("results", "cells", "matches"):
        a, b = (getattr(run, name).drop(columns="seconds", errors="ignore") for run in (one, other))
        try:
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        except AssertionError as error:
            found.append(f"{name}: {str(error).splitlines()[0]}")
    figures = [{p.name: p.read_bytes() for p in (run.folder / "figures").iterdir()} for run in (one, other)]
    return found + ([] if figures[0] == figures[1] else ["figures"])


def _trained(undisturbed: Path, out: Path) -> list[str]:
    names = [p.relative_to(undisturbed) for p in undisturbed.rglob("*.safetensors")]
    found = [str(n) for n in names if (undisturbed / n).read_bytes() != (out / n).read_bytes()]
    return found if names else ["nothing was trained"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        seen = trial(folder, given.kills, training=given.training, seed=given.seed)
    print(seen)
    sys.exit(0 if seen.good else 1)


if __name__ == "__main__":
    main()
