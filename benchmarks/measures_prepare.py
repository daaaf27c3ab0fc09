"""Preparing the default measures of one layer pair of S's grid, and draws of Procrustes, processor seconds.

    python benchmarks/measures_prepare.py                          # n = 3,500, d = 2,304
    PYTHONPATH=../before/src python benchmarks/measures_prepare.py  # the same of another checkout, in turns

Each measure alone, then all four as a cell prepares them: side by side, from rows that they share. Rows are
random and of unit norm, with a part of rank 64 in common; a twentieth of one side's is there twice, as pairs
many to one leave it. `--save` keeps the scores and ten draws of each, so that two versions can be held
against each other.
"""

import argparse
import os
import time
from collections.abc import Callable

import numpy as np

from congruence.config.run import RunConfig
from congruence.config.steps import measures_of
from congruence.metrics import METRICS, inputs
from congruence.metrics.blas import in_parallel
from congruence.significance import permutations_for

REPEATED = 20
"""One pair in so many has a feature of the first side that another pair has too."""


def decoder(n: int, width: int, seed: int) -> np.ndarray:
    """(n, width) float32 unit rows."""
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(9).normal(size=(n, 64)) @ rng.normal(size=(64, width))
    rows = (0.3 * common + rng.normal(size=(n, width))).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def spent(name: str, run: Callable[[], object], times: int = 1) -> object:
    """Say what a call takes, and give its result."""
    processor, wall = time.process_time(), time.perf_counter()
    result = run()
    processor, wall = (time.process_time() - processor) / times, (time.perf_counter() - wall) / times
    print(f"| {name} | {processor:.2f} | {wall:.2f} |", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=3500)
    parser.add_argument("--width", type=int, default=2304)
    parser.add_argument("--draws", type=int, default=2, help="of Procrustes, on one thread and on two")
    parser.add_argument("--save", default="", help="file.npz of scores and draws")
    options = parser.parse_args()
    x, y = decoder(options.n, options.width, 1), decoder(options.n, options.width, 2)
    twice = np.random.default_rng(3).permutation(options.n)[: 2 * (options.n // REPEATED)]
    x[twice[::2]] = x[twice[1::2]]
    measures = measures_of(RunConfig.model_fields["measures"].default)
    for measure in measures:  # kernels are compiled
        measure.prepare(x[:1400, :700], y[:1400, :700]).repaired(permutations_for(0, 1, 1400))
    print("| | processor s | wall s |\n|---|---|---|")
    for measure in measures:
        spent(f"{measure.label} alone", lambda one=measure: one.prepare(x, y))

    def cell() -> list:
        shared = getattr(inputs, "shared", lambda *rows: rows)(x, y)
        return in_parallel(lambda measure: measure.prepare(*shared), measures)

    for _ in range(2):
        prepared = spent("all four, side by side", cell)
    orders = permutations_for(0, 10, options.n)
    scores = [np.append(one.repaired(orders), float(one.observed())) for one in prepared]  # type: ignore

    procrustes = METRICS.get("procrustes").prepare(x[:, : options.width * 8 // 9], y)
    orders = permutations_for(0, options.draws, options.n)
    procrustes.repaired(orders[:1])
    for threads in ("1", "2"):
        os.environ["NUMBA_NUM_THREADS"] = threads
        name = f"a draw of procrustes, {threads} at a time"
        drawn = spent(name, lambda: procrustes.repaired(orders), options.draws)
    if options.save:
        np.savez(options.save, *scores, np.asarray(drawn))


if __name__ == "__main__":
    main()
