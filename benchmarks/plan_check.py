"""Two workers beside one process, and beside what was planned for them.

    python benchmarks/plan_check.py [CONFIG] [--workers 2] [--documents 560] [--concepts]

A configuration (by default the demo's) is run in one process and then by so many worker processes, one thread
each. The first run gives the costs, as `congruence plan --from` reads them, and how long a worker takes to
start is measured by itself; what the simulation makes of these is set beside the second. Prints a table in
Markdown. Meant for a machine that does nothing else.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import yaml

from congruence.config.parsing import load_config
from congruence.config.run import RunConfig
from congruence.planning import Costs, Setting, measured_in, simulate, work_of
from congruence.recipes import demo
from congruence.run.bench import Bench
from congruence.run.status import status_of
from congruence.runners import Opening, Task
from congruence.runners.processes import Processes
from congruence.storage.run_folder import RunFolder

CAPTURE, GRID = "capture", "compare layer pairs"


def run(config: Path, out: Path, *more: str) -> float:
    """Seconds of a run from a command to its end, on one thread a process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "congruence",
        "run",
        config,
        "--out",
        out,
        "--no-pictures",
        "--no-progress",
    ]
    started = time.perf_counter()
    subprocess.run([*map(str, command), *more], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def stages_of(out: Path) -> dict[str, float]:
    """Seconds of the capture and of the grid, by the run's own notes."""
    found = {CAPTURE: 0.0, GRID: 0.0}
    for stage in status_of(out)["stages"]:
        for name in found:
            if stage["name"].startswith(name):
                found[name] += stage["at"] - stage["began"]
    return found


def open_nothing(config: RunConfig, path: str) -> object:
    """A worker that opens the run, as each does, and then has nothing to do."""
    Bench.open(config, RunFolder(Path(path)))
    return lambda task: None


def start_of(config: RunConfig, folder: Path) -> float:
    """Seconds from starting a worker to the end of an empty task."""
    opening = Opening("plan_check:open_nothing", (config, str(folder)))
    started = time.perf_counter()
    with Processes(opening, workers=1) as runner:
        runner.do([Task("nothing", "nothing")], lambda task: None)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--documents", type=int, help="of the demo")
    parser.add_argument("--concepts", action="store_true", help="the demo with concepts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        path = options.config
        if path is None:
            sections = demo(concepts=options.concepts).model_dump(
                by_alias=True, mode="json", exclude_defaults=True
            )
            if options.documents:
                sections["corpus"] |= {"documents": options.documents}
            path = Path(root) / "demo.yaml"
            path.write_text(yaml.safe_dump(sections))
        config = load_config(path, there=True)
        one, several = Path(root) / "one", Path(root) / "several"
        took = {1: run(path, one)}
        more = ("--runner", "processes", "--set", f"runner.workers={options.workers}")
        took[options.workers] = run(path, several, *more)
        stages = {1: stages_of(one), options.workers: stages_of(several)}
        start = start_of(config, one)
        found = measured_in(one)
        work = work_of(config, found.l0)
    costs = found.fit(Costs.default(), work.pieces, work.tokens)
    alone = took[1] - sum(map(costs.seconds, work.pieces))
    costs = replace(costs, start=start, alone=alone, alone_per_cell=0.0, alone_per_source=0.0)
    workers = options.workers
    print(f"| | one process, s | {workers} workers, s | of ideal |\n|---|---|---|---|")
    for name in (CAPTURE, GRID):
        alone_, shared = stages[1][name], stages[workers][name]
        print(f"| {name} | {alone_:.1f} | {shared:.1f} | {alone_ / (workers * shared):.0%} |")
    less = stages[workers][CAPTURE] - start
    print(
        f"| {CAPTURE}, less a worker's start | | {less:.1f} | {stages[1][CAPTURE] / (workers * less):.0%} |"
    )
    whole = took[1] / (workers * took[workers])
    print(f"| all, from the command | {took[1]:.1f} | {took[workers]:.1f} | {whole:.0%} |")
    for number, seconds in took.items():
        planned = simulate(work, costs, Setting(number, stragglers=0, deaths=0)).seconds
        print(
            f"| simulated, {number} | {planned:.1f} against {seconds:.1f} | {planned / seconds - 1:+.0%} | |"
        )
    print(
        f"\nA worker starts in {start:.1f} s; beside the tasks the starting process works for {alone:.1f} s."
    )
    print(f"Costs {costs.told}.")


if __name__ == "__main__":
    main()
