"""Best partners both ways: co-activation against blocked dense float32 z-scores, matmul and max, in one run.

    python benchmarks/coactivation_speed.py                                             # item 1: minutes
    python benchmarks/coactivation_speed.py --features 32768 --tokens 30000 --dense-share 0.25
    python benchmarks/coactivation_speed.py --features 2048 --tokens 4000               # seconds

The dense way is torch: z-score both sides, multiply 4,096 x 4,096 tiles, running maximum of rows and columns.
With --dense-share only that share of its tiles is timed, the rest reckoned from them; 0 leaves it out. All
cores are used. Processor seconds stand beside wall seconds, for machines not at rest. Peak memory is what
came on top of what was resident before `correlate` was called (Linux only).
"""

import argparse
import ctypes
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from coactivation_data import MadeUpSides
from scipy import sparse

from congruence.stats import correlate
from congruence.stats.prepared import prepare
from congruence.threads import available_threads

TILE = 4096


def timed(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """(wall, processor) seconds of the fastest of some runs."""
    best = (np.inf, np.inf)
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        best = min(best, (time.perf_counter() - wall, time.process_time() - processor))
    return best


def peak_above(run: Callable[[], object]) -> float:
    """MB that a run needed at its peak above what was resident before it."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed but not given back would serve unseen
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is resident
    before = resident("VmRSS")
    run()
    return resident("VmHWM") - before


def resident(field: str) -> float:
    """A field of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(field))) / 1024


def dense_best(a: np.ndarray, b: np.ndarray, share: float) -> tuple[float, float, torch.Tensor]:
    """(wall, processor) seconds of the dense way, reckoned to the whole, and each A feature's best."""
    wall, processor = time.perf_counter(), time.process_time()
    z_a, z_b = zscored(torch.from_numpy(a)), zscored(torch.from_numpy(b))
    spent = np.array([time.perf_counter() - wall, time.process_time() - processor])
    wall, processor = time.perf_counter(), time.process_time()
    starts = range(0, z_a.shape[1], TILE)
    used = starts[: max(1, round(share * len(starts)))]
    best_a = torch.full((z_a.shape[1],), -torch.inf)
    best_b = torch.full((z_b.shape[1],), -torch.inf)
    for i in used:
        for j in range(0, z_b.shape[1], TILE):
            tile = z_a[:, i : i + TILE].T @ z_b[:, j : j + TILE]
            best_a[i : i + TILE] = torch.maximum(best_a[i : i + TILE], tile.max(dim=1).values)
            best_b[j : j + TILE] = torch.maximum(best_b[j : j + TILE], tile.max(dim=0).values)
    tiles = np.array([time.perf_counter() - wall, time.process_time() - processor])
    spent += tiles * len(starts) / len(used)
    return spent[0], spent[1], best_a[: used[-1] + TILE]


def zscored(values: torch.Tensor) -> torch.Tensor:
    """Columns of mean 0 and norm 1, in place; constant ones stay 0. Sums in float32 would cost 1e-4 of r."""
    for columns in values.split(1024, dim=1):
        columns.sub_(columns.mean(dim=0, dtype=torch.float64).float())
        columns.div_(columns.norm(dim=0, dtype=torch.float64).clamp_min(1e-12).float())
    return values


def floor(a: sparse.csr_array, b: sparse.csr_array) -> tuple[float, float]:
    """(non-zero products, share of feature pairs that ever co-fire, on a sample of A features)."""
    products = float(np.diff(a.indptr).astype(np.float64) @ np.diff(b.indptr))
    sample = np.random.default_rng(0).choice(a.shape[1], min(256, a.shape[1]), replace=False)
    touched = (a[:, sample].astype(bool).T.astype(np.float32) @ b.astype(bool).astype(np.float32)).nnz
    return products, touched / (len(sample) * b.shape[1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=16_384)
    parser.add_argument("--tokens", type=int, default=22_500)
    parser.add_argument("--l0", type=int, default=70)
    parser.add_argument("--dense-share", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    threads = available_threads()
    torch.set_num_threads(threads)
    a, b = MadeUpSides(options.tokens, options.features, options.l0).matrices()
    correlate(a[:64], b[:64], engine="sparse")
    peak = peak_above(lambda: correlate(a, b, engine="sparse"))
    whole = timed(lambda: correlate(a, b, engine="sparse"), options.repeats)
    found = correlate(a, b, engine="sparse")
    sides = prepare(a), prepare(b)
    correlate(*sides, engine="sparse")
    pair = timed(lambda: correlate(*sides, engine="sparse"), options.repeats)
    products, touched = floor(a, b)
    if options.dense_share == 0:
        print(f"co-activation, from CSR: {whole[0]:.3f} s; peak memory above inputs {peak:.0f} MB")
        return
    *dense, best = dense_best(a.toarray(), b.toarray(), options.dense_share)
    worst = np.nanmax(np.abs(best.numpy() - found.values[: len(best), 0]))
    print(
        f"\n{options.features:,} x {options.features:,} features, {options.tokens:,} tokens, "
        f"L0 {options.l0}, {threads} threads\n"
    )
    print("| | wall s | processor s | ratio (wall) | ratio (processor) |\n|---|---|---|---|---|")
    share = "" if options.dense_share == 1 else f" ({options.dense_share:.0%} of the tiles timed)"
    print(f"| dense z-score + matmul + max{share} | {dense[0]:.2f} | {dense[1]:.2f} | 1 | 1 |")
    for name, (wall, processor) in (
        ("co-activation, from CSR", whole),
        ("co-activation, prepared sides", pair),
    ):
        print(
            f"| {name} | {wall:.3f} | {processor:.3f} | {dense[0] / wall:.0f} | {dense[1] / processor:.0f} |"
        )
    print(
        f"\nfloor: {products:.3g} non-zero products ({1e9 * pair[1] / products:.2f} processor ns each in "
        f"all), {touched:.1%} of pairs co-fire; peak memory above inputs {peak:.0f} MB; "
        f"largest difference from the dense best {worst:.1e}"
    )


if __name__ == "__main__":
    main()
