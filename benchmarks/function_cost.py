"""What verdicts, transfer and logit weights cost on a finished run, in processor seconds of one thread.

    python benchmarks/function_cost.py FOLDER [--other SRC] [--rounds 3]

FOLDER holds `congruence demo --set 'function=[transfer, logit_weights]'`, and isn't written to: the parts
are removed from a copy of its index and made again, each in a process of its own where models and SAEs are
loaded before. `--other` names the src folder of another version: both are then measured in turns, and the
medians stand side by side. Kernels have to be compiled before: run it twice.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS: tuple[str, ...] = ("transfer", "verdicts", "rotations", "logit weights")
MADE = ("transfer-", "counterparts", "occasions", "rotations", "logit-weights", "promoted")
"""What the names of their files begin with."""
ONE = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def measure(folder: Path) -> None:
    """Make every part again in this process and print what each took; what they read is read before."""
    from congruence.config.parsing import resolve_any
    from congruence.progress import Silent
    from congruence.recipes import demo
    from congruence.run.bench import Bench
    from congruence.run.captures import sources_of
    from congruence.run.features import FeatureStage
    from congruence.run.function_stages import FunctionStages
    from congruence.run.run_cells import run_cells
    from congruence.storage.run_folder import open_folder

    config: Any = resolve_any(demo(), {"function": ["transfer", "logit_weights"]})
    opened = open_folder(folder)
    bench, quiet = Bench.open(config, opened), Silent()
    captures, sources = bench.captures, sources_of(bench.cells)
    captures.capture(sources, quiet)
    for side in captures.sides.values():
        _ = side.model.module
    for source in sources:
        captures.features(source)
        known = captures.variant(source.side, source.variant).saes.get(source.layer)
        if known is not None:
            known.load()
    stages: Any = FunctionStages.of(captures, opened.cells)
    stages._transfer.states.capture(quiet)  # no part of what is measured: forward passes
    took = dict.fromkeys(PARTS, 0.0)

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.process_time()
        found = work()
        took[name] += time.process_time() - started
        return found

    if hasattr(stages._logits, "prepare"):
        timed("logit weights", lambda: stages._logits.prepare(quiet))
    timed("transfer", lambda: stages.before_the_grid(quiet))
    captures.let_go()
    results = run_cells(bench.cells, captures, bench.plan, opened.cells, concepts=None, progress=quiet)
    timed("verdicts", lambda: FeatureStage.of(captures, None).compute(quiet))
    timed("rotations", lambda: stages._transfer.agree(results))
    timed("logit weights", lambda: stages._logits.compute(results, quiet))
    print(*took.values())


def again(folder: Path, scratch: Path, src: str) -> list[float]:
    """Seconds of each part by the version in a src folder."""
    copy = scratch / "run"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, copy_function=os.link)
    for place in [*(copy / "cells").iterdir(), *(copy / "activations" / "known").iterdir()]:
        if place.name.startswith(MADE):
            shutil.rmtree(place) if place.is_dir() else place.unlink()
    told = subprocess.run(
        [sys.executable, __file__, str(copy), "--once"],
        env={**os.environ, **ONE, "PYTHONPATH": src},
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(one) for one in told.stdout.split()]


def main() -> None:
    """Measure in turns and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--other", help="src folder of the version to hold this one against")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        measure(given.folder)
        return
    versions = [*([given.other] if given.other else []), str(Path(__file__).parents[1] / "src")]
    found: dict[str, list[list[float]]] = {src: [] for src in versions}
    with tempfile.TemporaryDirectory(dir=given.folder.parent) as scratch:
        for _ in range(given.rounds):
            for src in versions:
                found[src].append(again(given.folder, Path(scratch), src))
                print(src, *found[src][-1], file=sys.stderr, flush=True)
    print("| part |", " | ".join(versions), "|\n|---|", "---|" * len(versions), sep="")
    for place, part in enumerate(PARTS):
        seconds = [statistics.median(one[place] for one in found[src]) for src in versions]
        print(f"| {part} |", " | ".join(f"{one:.2f}" for one in seconds), "|")


if __name__ == "__main__":
    main()
