"""The figure and table of docs/what-the-published-svcca-measures.md.

    python benchmarks/measures_published_svcca.py    # writes docs/figures/published-svcca.{svg,png}

Unrelated unit rows in 512 and 768 dimensions (the widths of Pythia-70m and -160m), re-paired at random:
the null mean of pc1_correlation beside its law and the null means printed by Lan et al. 2024, and real
SVCCA at 99 % of the variance.
"""

import argparse
from pathlib import Path

import numpy as np

from congruence.metrics import METRICS
from congruence.metrics.pc1 import null_law
from congruence.significance import permutations_for

SIZES = (8, 12, 16, 24, 32, 46, 64, 90, 126, 180, 228, 320, 500, 700, 1000, 1500, 2200, 3000, 4000)
WIDTHS = (512, 768)
DATA_SETS = 3
DRAWS = 4000

# n -> null mean of "SVCCA" in the paper's tables of semantic subspaces (Test 1)
PRINTED = {21: 0.17, 24: 0.15, 32: 0.14, 46: 0.12, 105: 0.07, 126: 0.07, 228: 0.055}
TICKS = (10, 24, 46, 126, 228, 1000, 3000)
MEANS = (0.02, 0.05, 0.1, 0.2, 0.3)
FOLDER = Path(__file__).parents[1] / "docs" / "figures"


def unrelated(n: int, seed: int) -> list[np.ndarray]:
    """Independent rows of unit norm on both sides."""
    rng = np.random.default_rng([n, seed])
    sides = [rng.normal(size=(n, d)) for d in WIDTHS]
    return [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]


def null_mean(n: int) -> float:
    """Mean of pc1_correlation over re-pairings of several data sets."""
    scores = [
        METRICS.get("pc1_correlation").prepare(*unrelated(n, seed)).repaired(permutations_for(seed, DRAWS, n))
        for seed in range(DATA_SETS)
    ]
    return float(np.mean(scores))


def real_svcca(n: int) -> tuple[float, int, int]:
    """Value and numbers of components at 99 % of the variance, forced or not."""
    score = METRICS.get("svcca")(*unrelated(n, 0), on_forced="warn")
    return score.value, score.details["k_a"], score.details["k_b"]


def draw(rows: list[tuple], folder: Path) -> None:
    """Two panels over n on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "congruence"
    import matplotlib.pyplot as plt

    n, measured, svcca = (np.array([row[i] for row in rows]) for i in (0, 1, 3))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(n, [null_law(size) for size in n], color="0.4", label=r"law $\sqrt{2/(\pi(n-1))}$")
    left.plot(n, measured, "o", color="C0", label="pc1_correlation, re-paired")
    left.plot(*zip(*PRINTED.items(), strict=True), "x", color="C3", label='null of "SVCCA" as printed')
    left.set(yscale="log", ylabel="null mean", title="What is printed as SVCCA: one component")
    right.plot(n, svcca, "o-", color="C1", label="SVCCA, 99 % of variance")
    right.axhline(1, color="0.8", zorder=0)
    right.set(ylim=(0, 1.05), ylabel="score of unrelated features", title="Real SVCCA, d = 512 and 768")
    left.set_yticks(MEANS, [f"{mean:g}" for mean in MEANS], minor=False)
    left.set_yticks([], minor=True)
    for axes in (left, right):
        axes.set(xscale="log", xlabel="pairs n")
        axes.set_xticks(TICKS, [f"{tick:,}" for tick in TICKS])
        axes.set_xticks([], minor=True)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    for suffix in ("svg", "png"):
        figure.savefig(
            folder / f"published-svcca.{suffix}",
            dpi=150,
            metadata={"Date": None} if suffix == "svg" else None,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--largest", type=int, default=max(SIZES))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    print("| n | pc1_correlation, null mean | law | real SVCCA | k_a, k_b of n − 1 |\n|---|---|---|---|---|")
    for n in (size for size in SIZES if size <= options.largest):
        value, k_a, k_b = real_svcca(n)
        rows.append((n, null_mean(n), null_law(n), value))
        print(
            f"| {n:,} | {rows[-1][1]:.3f} | {rows[-1][2]:.3f} | {value:.3f} | {k_a}, {k_b} of {n - 1} |",
            flush=True,
        )
    draw(rows, options.out)


if __name__ == "__main__":
    main()
