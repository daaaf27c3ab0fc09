"""Kill runs and trainings at random moments, with other configurations between, while a reader looks on.

python benchmarks/kills.py --kills 50 [--training] [--folder DIR] [--seed 0]
python benchmarks/kills.py --kills 50 --out-store s3 --runners serial,processes [--lost 0.5]

Two configurations of the demo, or two seeds of a small training, write into one folder, or into one place of
an S3 server that is started here (moto). Each start is killed with SIGKILL at a moment drawn evenly over the
time that one takes; which configuration comes next is drawn, too, and so is its runner. Of a
run with workers one of these is killed as often as all of it. With a bucket a share of the kills take the
machine's folder along. Meanwhile a reader opens the place again and again. In the end both configurations are
run to their end and held against undisturbed ones. Prints what was seen; exit code 1 if a number differs, a
read was mixed, a run ended by itself in an error, or a temporary file is left.
"""

import argparse
import contextlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from congruence import load_run
from congruence.errors import StorageError
from congruence.recipes import demo
from congruence.recipes.demo import demo_folder
from congruence.storage.objects import is_url

_COMPUTED = re.compile(
    r"(?:shard \d+/\d+: \d+ tokens of .+|cell \S+) computed in|concepts of cell \S+: \d+ rows"
)

SAID = "said.txt"
"""What the last start wrote to its standard error."""


@dataclass(frozen=True)
class Place:
    """Where the runs write.

    Attributes:
        out: a folder or a URL.
        machine: with a URL, what the runs keep on this machine.
    """

    out: str
    machine: Path | None = None

    @property
    def folders(self) -> list[Path]:
        """Those on this machine."""
        return [Path(self.out)] if self.machine is None else [*(self.machine / "runs").glob("*")]

    def environment(self) -> dict[str, str]:
        """Of a run."""
        own = {} if self.machine is None else {"CONGRUENCE_CACHE": str(self.machine)}
        return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **own}


@dataclass
class Seen:
    """What happened.

    Attributes:
        kills: runs that were killed before their end, and workers.
        workers: of these, workers of a run that went on.
        lost: kills that took the machine's folder along.
        ended: runs between them that came to their end.
        computed: tasks (shards of captures, layer pairs) that came to their end.
        repeated: of these, those that had come to their end before.
        repeated_here: of those, where the machine's folder was there all the time.
        reads: times that the folder was opened.
        mixed: reads whose tables and record belong to different configurations.
        failed: reads that ended in an error although a run was finished.
        left: temporary names in the folder at the end.
        different: files or tables that aren't what an undisturbed run gives.
    """

    kills: int = 0
    workers: int = 0
    lost: int = 0
    ended: int = 0
    computed: int = 0
    repeated: int = 0
    repeated_here: int = 0
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
    del base["a"]["other_seed"]
    changes = [(["linear_cka"], 30, [2]), (["rsa", "translation_accuracy"], 50, [2, 3])]
    for number, (measures, draws, layers) in enumerate(changes):
        config = base | {"measures": measures, "null": {"kind": "pairing", "draws": draws}}
        config["a"] = base["a"] | {"layers": [1, 4]}  # no layer of b: their tasks differ by name
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


@contextlib.contextmanager
def placed(folder: Path, store: str) -> Iterator[Place]:
    """A folder, or a place of an S3 server that lives as long as this block."""
    if store == "folder":
        yield Place(str(folder / "out"))
        return
    from object_server import s3_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch, s3_server(patch):
        patch.setenv("CONGRUENCE_CACHE", str(folder / "reader"))
        yield Place("s3://bucket/out", folder / "machine")


def trial(
    folder: Path,
    kills: int,
    *,
    training: bool = False,
    seed: int = 0,
    store: str = "folder",
    runners: Sequence[str] = ("serial",),
    lost: float = 0.5,
) -> Seen:
    """Kill so many processes and look at what is left.

    Args:
        folder: for everything that stays on this machine.
        kills: of runs and of their workers.
        training: trainings in place of runs.
        seed: of all that is drawn.
        store: "folder" or "s3".
        runners: of which each start has one.
        lost: with a bucket, the share of killed runs whose machine's folder is lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    commands = (training_configs if training else run_configs)(folder)
    started = time.monotonic()
    for number, command in enumerate(commands):
        _start(command, Place(str(folder / f"undisturbed{number}"))).wait()
    seconds = dict.fromkeys(runners, (time.monotonic() - started) / len(commands))
    seen, rng, done = Seen(), np.random.default_rng(seed), threading.Event()
    with placed(folder, store) as place:
        reader = threading.Thread(
            target=lambda: None if training else _read(place.out, seen, done), daemon=True
        )
        reader.start()
        log = _Log(seen)
        while seen.kills < kills:
            command, about = commands[rng.integers(len(commands))], 0
            if not training and rng.random() < 0.7:  # else everything is finished soon
                about = int(rng.integers(1 << 30))
                command = _another(command, seed=about)
            runner = runners[int(rng.integers(len(runners)))]
            if not training:
                command = [*command[:2], "--runner", runner, *command[2:]]
            print(f"{seen.kills} of {kills} kills", end="\r", file=sys.stderr, flush=True)
            process, began = _start(command, place, said=folder / SAID), time.monotonic()
            if _disturbed(process, seconds[runner], rng, seen, shared=runner != "serial"):
                log.read(place, f"{command[1]} {about}")
                seconds[runner] *= 1.1  # until some come to their end
                if place.machine is not None and rng.random() < lost:
                    shutil.rmtree(place.machine, ignore_errors=True)  # where it came so far
                    log.forget()
                    seen.lost += 1
            else:
                seconds[runner] = 0.5 * seconds[runner] + 0.5 * (time.monotonic() - began)
                seen.ended += 1
                log.read(place, f"{command[1]} {about}")
                if process.returncode:
                    said = (folder / SAID).read_text(errors="replace").strip().rsplit("\n", 1)[-1]
                    seen.failed.append(f"{' '.join(command)} ended with {process.returncode}: {said}")
        for number, command in enumerate(commands):
            if _start(command, place).wait():
                seen.different.append(" ".join(command))
            log.read(place, f"{command[1]} 0")
            compared = _trained if training else _results
            seen.different += compared(folder / f"undisturbed{number}", place.out)
        done.set()
        reader.join()
        for one in place.folders:
            seen.left += [str(path.relative_to(one)) for path in one.rglob(".*.tmp")]
    return seen


def _disturbed(
    process: subprocess.Popen, seconds: float, rng: np.random.Generator, seen: Seen, *, shared: bool
) -> bool:
    """Kill it at a random moment, or one of its workers and go on; whether it was killed."""
    while True:
        a_worker = shared and rng.random() < 0.5
        moment = rng.uniform(0, seconds)
        if a_worker:
            moment *= 0.5  # of what is left when workers are there
            while process.poll() is None and not _workers_of(process.pid):
                time.sleep(0.05)
        try:
            process.wait(timeout=moment)
            return False
        except subprocess.TimeoutExpired:
            workers = _workers_of(process.pid)
            seen.kills += 1
            if a_worker and workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    workers[rng.integers(len(workers))].kill()
                seen.workers += 1
                continue
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True


def _workers_of(number: int) -> list[psutil.Process]:
    """Processes of a run's workers, wherever among its children they are."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(number).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                told = " ".join(process.cmdline())
                if "congruence.runners.worker" in told or "ray::_Worker" in told:
                    found.append(process)
    return found


class _Log:
    """Reads in the runs' log what each start computed, and counts what was computed before."""

    def __init__(self, seen: Seen) -> None:
        self.seen, self.at = seen, 0
        self.done: Counter[str] = Counter()
        self.here: set[str] = set()

    def forget(self) -> None:
        """The machine's folder is gone."""
        self.at = 0
        self.here.clear()

    def read(self, place: Place, about: str) -> None:
        """What the last start wrote; `about` tells its configuration from others."""
        for log in (folder / "run.log" for folder in place.folders):
            text = log.read_text(errors="replace") if log.is_file() else ""
            for found in _COMPUTED.finditer(text[self.at :]):
                task = found[0] if found[0].startswith("shard") else f"{about}: {found[0]}"
                self.seen.computed += 1
                self.seen.repeated += self.done[task] > 0
                self.seen.repeated_here += task in self.here
                self.done[task] += 1
                self.here.add(task)
            self.at = len(text)


def _another(command: list[str], *, seed: int) -> list[str]:
    """The same run under a seed that the folder doesn't hold yet."""
    config = yaml.safe_load(Path(command[1]).read_text())
    path = Path(command[1]).with_name("another.yaml")
    path.write_text(yaml.safe_dump(config | {"seed": seed}))
    return [command[0], str(path), *command[2:]]


def _start(command: list[str], place: Place, *, said: Path = Path(os.devnull)) -> subprocess.Popen:
    with said.open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "congruence", *command, place.out],
            env=place.environment(), stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
        )  # fmt: skip


def _read(out: str, seen: Seen, done: threading.Event) -> None:
    finished, pause = False, 1.0 if is_url(out) else 0.02
    while not done.is_set():
        try:
            run = load_run(out)
            matches = run.matches
        except StorageError as error:
            if finished:
                seen.failed.append(str(error))
            time.sleep(pause)
            continue
        finished = True
        seen.reads += 1
        layers = set(run.config["b"]["layers"])
        same = set(run.results.measure) == set(run.config["measures"])
        same &= run.results.draws.max() == run.config["null"]["draws"]
        for table in (run.results, run.cells, matches):
            same &= set(table.layer_b[table.control == "none"]) == layers
        seen.mixed += not same
        time.sleep(pause)


def _results(undisturbed: Path, out: str) -> list[str]:
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


def _trained(undisturbed: Path, out: str) -> list[str]:
    names = [p.relative_to(undisturbed) for p in undisturbed.rglob("*.safetensors")]
    found = [str(n) for n in names if (undisturbed / n).read_bytes() != (Path(out) / n).read_bytes()]
    return found if names else ["nothing was trained"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out-store", choices=("folder", "s3"), default="folder")
    parser.add_argument("--runners", default="serial", help="one is drawn for each start")
    parser.add_argument("--lost", type=float, default=0.5, help="share of kills that take the folder along")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        seen = trial(
            folder,
            given.kills,
            training=given.training,
            seed=given.seed,
            store=given.out_store,
            runners=given.runners.split(","),
            lost=given.lost,
        )
    print(seen)
    sys.exit(0 if seen.good else 1)


if __name__ == "__main__":
    main()
