"""The dense engine against the bare matrix product of the same size, on a CPU or a GPU.

    python benchmarks/coactivation_dense.py                                # 8,192 features, 22,500 tokens
    python benchmarks/coactivation_dense.py --features 2048 --tokens 6000  # seconds
    python benchmarks/coactivation_dense.py --features 16384               # on a GPU, where there is one

The product is X^T Y of float32 matrices that lie ready on the device, in tiles of 4,096 x 4,096, with nothing
done to the result. `correlate` starts from raw activations in host memory (on a GPU: also from activations on
it) and ends with both sides' best partners, their co-firings, and the moments. Best of --repeats.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from congruence.stats import correlate
from congruence.threads import available_threads

TILE = 4096


def timed(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """(wall, processor) seconds of the fastest run."""
    best = (np.inf, np.inf)
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - wall, time.process_time() - processor))
    return best


def product(a: torch.Tensor, b: torch.Tensor) -> None:
    for i in range(0, a.shape[1], TILE):
        for j in range(0, b.shape[1], TILE):
            a[:, i : i + TILE].T @ b[:, j : j + TILE]


def activations(tokens: int, features: int, seed: int) -> np.ndarray:
    """Every feature has a value on every token, half of them below zero; some columns are shared."""
    own, shared = np.random.default_rng(seed), np.random.default_rng(99)
    out = own.standard_normal((tokens, features), dtype=np.float32)
    out[:, : features // 4] += shared.standard_normal((tokens, features // 4), dtype=np.float32)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=8192)
    parser.add_argument("--tokens", type=int, default=22_500)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(available_threads())
    torch.set_float32_matmul_precision("highest")
    a, b = (activations(options.tokens, options.features, seed) for seed in (0, 1))
    small = a[:512, :64], b[:512, :64]
    correlate(*small, engine="dense", device=options.device)
    there = [torch.from_numpy(side).to(options.device) for side in (a, b)]
    product(*(side[:256] for side in there))
    runs = {"bare product": lambda: product(*there)}
    runs["correlate, from the host"] = lambda: correlate(a, b, engine="dense", device=options.device)
    if options.device != "cpu":
        runs["correlate, from the device"] = lambda: correlate(*there, engine="dense")
    size = f"{options.features:,} x {options.features:,} features"
    print(f"{size}, {options.tokens:,} tokens, {options.device}")
    print("| | wall s | processor s | ratio (wall) | TFLOP/s |\n|---|---|---|---|---|")
    base = 0.0
    for name, run in runs.items():
        wall, processor = timed(run, options.repeats)
        base = base or wall
        rate = 2.0 * options.tokens * options.features**2 / wall / 1e12
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {wall / base:.2f} | {rate:.3f} |", flush=True)


if __name__ == "__main__":
    main()
