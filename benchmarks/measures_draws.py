"""1,000 null draws from one decomposition against decomposing anew in each draw.

    python benchmarks/measures_draws.py                          # n = 3,500, d = 2,048 / 2,304
    python benchmarks/measures_draws.py --n 500 --widths 96 192  # in seconds

For each measure: the time to prepare, the time of a fast draw (making the permutation counted), and the
time of a slow draw: scoring the re-paired rows from the beginning, as the published code does, with the
library routine that it would call (numpy's SVD, scipy's rankdata, plain Gram products). Each time is the
best of some repeats. Ratios are of 1,000 draws: once with the preparation counted, once without.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

from congruence.metrics import METRICS
from congruence.significance import permutations_for

DRAWS = 1000


def decoders(n: int, d_a: int, d_b: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows that share a part of rank 64, the rest isotropic."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(n, 64))
    x = 0.3 * shared @ rng.normal(size=(64, d_a)) + rng.normal(size=(n, d_a))
    y = 0.3 * shared @ rng.normal(size=(64, d_b)) + rng.normal(size=(n, d_b))
    return x / np.linalg.norm(x, axis=1, keepdims=True), y / np.linalg.norm(y, axis=1, keepdims=True)


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=0)


def slow_pc1(x: np.ndarray, y: np.ndarray) -> float:
    u, v = (np.linalg.svd(centred(side), full_matrices=False)[0][:, 0] for side in (x, y))
    return abs(float(u @ v))


def slow_svcca(x: np.ndarray, y: np.ndarray) -> float:
    kept = []
    for side in (x, y):
        u, s, _ = np.linalg.svd(centred(side), full_matrices=False)
        kept.append(u[:, : int(np.searchsorted(np.cumsum(s**2) / np.sum(s**2), 0.99)) + 1])
    return float(np.linalg.svd(kept[0].T @ kept[1], compute_uv=False).mean())


def slow_rsa(x: np.ndarray, y: np.ndarray) -> float:
    upper = np.triu_indices(len(x), 1)
    ranks = [rankdata(np.corrcoef(side)[upper]) for side in (x, y)]
    return float(np.corrcoef(*ranks)[0, 1])


def slow_linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    grams = [centred(side) @ centred(side).T for side in (x, y)]
    for gram in grams:
        np.fill_diagonal(gram, 0)
    return hsic(*grams) / np.sqrt(hsic(grams[0], grams[0]) * hsic(grams[1], grams[1]))


def hsic(k: np.ndarray, other: np.ndarray) -> float:
    n, a, b = len(k), k.sum(axis=0), other.sum(axis=0)
    return (np.vdot(k, other) + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 * (a @ b) / (n - 2)) / (
        n * (n - 3)
    )


def slow_procrustes(x: np.ndarray, y: np.ndarray) -> float:
    x, y = centred(x), centred(y)
    singular = np.linalg.svd(x.T @ y, compute_uv=False)
    return float(singular.sum() / (np.linalg.norm(x) * np.linalg.norm(y)))


SLOW: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "pc1_correlation": slow_pc1,
    "rsa": slow_rsa,
    "svcca": slow_svcca,
    "linear_cka": slow_linear_cka,
    "procrustes": slow_procrustes,
}
FEW = ("svcca", "procrustes")


def timed(function: Callable[[], object], repeats: int = 1) -> tuple[float, object]:
    """Seconds of the fastest of some calls, and what the last one gave."""
    seconds, result = [], None
    for _ in range(repeats):
        started = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def measure(name: str, x: np.ndarray, y: np.ndarray, draws: int, slow_draws: int) -> str:
    """One row of the table; scores of fast and slow draws are held against each other."""
    METRICS.get(name).prepare(x[:40, :5], y[:40, :5]).repaired(permutations_for(0, 2, 40))
    repeats = 1 if name in FEW else 3
    setup, prepared = timed(lambda: METRICS.get(name).prepare(x, y), repeats)
    count = min(draws, 20) if name in FEW else draws
    seconds, scores = timed(lambda: prepared.repaired(permutations_for(0, count, len(x))), repeats)
    fast = seconds / count
    orders = permutations_for(0, slow_draws, len(x))
    rescored = [timed(lambda order=order: SLOW[name](x, y[order])) for order in orders]
    slow = min(seconds for seconds, _ in rescored)
    difference = float(np.abs(np.array([value for _, value in rescored]) - scores[:slow_draws]).max())
    total = setup + DRAWS * fast
    return (
        f"| {name} | {setup:.2f} | {1000 * fast:.3f} | {slow:.2f} | {DRAWS * slow / total:,.0f} | "
        f"{slow / fast:,.0f} | {difference:.0e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=3500)
    parser.add_argument("--widths", type=int, nargs=2, default=(2048, 2304))
    parser.add_argument("--draws", type=int, default=DRAWS, help="fast draws timed (20 for the slowest)")
    parser.add_argument("--slow-draws", type=int, default=2)
    parser.add_argument("--measures", nargs="+", default=list(SLOW))
    options = parser.parse_args()
    x, y = decoders(options.n, *options.widths)
    print(f"n = {options.n}, d = {options.widths[0]} / {options.widths[1]}\n")
    print(
        "| measure | prepare s | fast draw ms | slow draw s | ratio of 1,000 draws | draw alone | differ by |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in options.measures:
        print(measure(name, x, y, options.draws, options.slow_draws), flush=True)


if __name__ == "__main__":
    main()
