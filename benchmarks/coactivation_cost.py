"""How the cost of best partners grows: in tokens, in firings a token, in features. Draws a picture.

    python benchmarks/coactivation_cost.py                         # draws docs/figures/coactivation-cost.png
    python benchmarks/coactivation_cost.py --scale 8 --out x.png   # an eighth of the tokens: seconds

From CSR in memory to both sides' best partners; processor seconds, the least of --repeats runs. Slopes are of
log time on log size by least squares.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from coactivation_data import MadeUpSides
from coactivation_large import compile_kernels

from congruence.stats import correlate

TOKENS, FEATURES, L0 = 20_000, 16_384, 64
SWEEPS = {
    "tokens n": [(n, FEATURES, L0) for n in (5_000, 10_000, 20_000, 40_000, 80_000)],
    "L0 of A x L0 of B": [(TOKENS, FEATURES, l0) for l0 in (32, 45, 64, 91, 128)],
    "pairs of features F x G": [(TOKENS, f, L0) for f in (4_096, 8_192, 16_384, 32_768, 65_536, 131_072)],
}


def seconds(tokens: int, features: int, l0: int, repeats: int) -> float:
    a, b = MadeUpSides(tokens, features, l0).matrices()
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        correlate(a, b, engine="sparse")
        best = min(best, time.process_time() - start)
    return best


def size_of(sweep: str, tokens: int, features: int, l0: int) -> float:
    if sweep.startswith("tokens"):
        return tokens
    return float(l0) ** 2 if sweep.startswith("L0") else float(features) ** 2


def draw(found: dict[str, list[tuple[float, float]]], slopes: dict[str, float], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(11, 3.6), sharey=True, layout="constrained")
    for axis, (name, points) in zip(axes, found.items(), strict=True):
        size, spent = np.array(points).T
        axis.loglog(size, spent, "o-", color="#2a6f97", label=f"measured, slope {slopes[name]:.2f}")
        axis.loglog(size, spent[0] * size / size[0], "--", color="#999999", label="proportional")
        axis.set_xlabel(name)
        axis.xaxis.set_minor_formatter("")
        axis.legend(frameon=False, fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("processor seconds")
    figure.savefig(out, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    default = Path(__file__).parents[1] / "docs" / "figures" / "coactivation-cost.png"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    compile_kernels()
    found, slopes = {}, {}
    print("| | n | F = G | L0 | processor s |\n|---|---|---|---|---|")
    for name, sizes in SWEEPS.items():
        found[name] = []
        for tokens, features, l0 in sizes:
            n = tokens // options.scale
            spent = seconds(n, features, l0, options.repeats)
            found[name].append((size_of(name, n, features, l0), spent))
            print(f"| {name} | {n:,} | {features:,} | {l0} | {spent:.3f} |", flush=True)
        slopes[name] = float(np.polyfit(*np.log(np.array(found[name])).T, 1)[0])
    print("slopes: " + ", ".join(f"{name} {slope:.2f}" for name, slope in slopes.items()))
    draw(found, slopes, options.out)


if __name__ == "__main__":
    main()
