"""How often each measure finds planted structure, at p ≤ .05: the power table of docs/measures.md.

    python benchmarks/measures_power.py                       # all sizes, half an hour on one core
    python benchmarks/measures_power.py --sizes 24 46 --data-sets 100

Three kinds of likeness between rows of 128 and 192 columns, the rest noise:

- subspace: ten shared directions of falling weight, as concepts that both models have;
- rotation: one side is the other rotated, every direction alike;
- families: rows come in families of six with the same members on both sides, families placed anywhere.

Where all measures find the likeness in every data set, or in none, a table tells nothing. So the share of
variance that is alike falls with n, to where the best measures find it in most data sets but not in all.
"clear rotation" has one large share at all sizes, and "nothing" none: there every entry should be .05.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np

from congruence.errors import InputError
from congruence.metrics import METRICS
from congruence.significance import permutation_test

SIZES = {24: 200, 46: 200, 228: 100, 1000: 20, 3000: 12}
WIDTHS = (128, 192)
LEVEL, DRAWS = 0.05, 59
FAMILY = 6
NEIGHBOURS = 10


def subspace(rng: np.random.Generator, n: int, share: float) -> list[np.ndarray]:
    """Both sides depend on ten shared numbers a row, weighted 1, .8, .64, …"""
    latent = rng.normal(size=(n, 10)) * 0.8 ** np.arange(10)
    return [mixed(latent @ rng.normal(size=(10, d)), rng.normal(size=(n, d)), share) for d in WIDTHS]


def rotation(rng: np.random.Generator, n: int, share: float) -> list[np.ndarray]:
    """y is x in other axes."""
    x = rng.normal(size=(n, WIDTHS[0]))
    axes = np.linalg.qr(rng.normal(size=WIDTHS[::-1]))[0]
    return [x, mixed(x @ axes.T, rng.normal(size=(n, WIDTHS[1])), share)]


def families(rng: np.random.Generator, n: int, share: float) -> list[np.ndarray]:
    """Rows of a family share a centre on each side; centres of both sides have nothing in common."""
    member = rng.permutation(np.arange(n) // FAMILY)
    return [mixed(rng.normal(size=(n, d))[member], rng.normal(size=(n, d)), share) for d in WIDTHS]


def mixed(signal: np.ndarray, noise: np.ndarray, share: float) -> np.ndarray:
    """`share` of the variance from the signal; rows folded to unit norm."""
    rows = np.sqrt(share) * signal / signal.std() + np.sqrt(1 - share) * noise / noise.std()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# name -> how it is made, and the share of variance that is alike at each size
STRUCTURES: dict[str, tuple[Callable, dict[int, float]]] = {
    "subspace": (subspace, {24: 0.08, 46: 0.06, 228: 0.02, 1000: 0.01, 3000: 0.006}),
    "rotation": (rotation, {24: 0.15, 46: 0.08, 228: 0.015, 1000: 0.003, 3000: 0.001}),
    "families": (families, {24: 0.08, 46: 0.07, 228: 0.08, 1000: 0.08, 3000: 0.08}),
    "clear rotation": (rotation, dict.fromkeys(SIZES, 0.3)),
    "nothing": (subspace, dict.fromkeys(SIZES, 0.0)),
}


def share_at(structure: str, n: int) -> float:
    """The share of variance that is alike; that of the nearest size where n isn't one of the table's."""
    shares = STRUCTURES[structure][1]
    return shares[min(shares, key=lambda size: abs(size - n))]


def variants(n: int) -> dict[str, tuple[str, dict]]:
    """What is compared: label -> measure and options."""
    k = min(NEIGHBOURS, n // 5)
    return {
        "pc1_correlation": ("pc1_correlation", {}),
        "svcca, 99 %": ("svcca", {}),
        "svcca, n/10 components": ("svcca", {"n_components": max(1, min(n // 10, 100))}),
        "cca": ("cca", {}),
        "pwcca": ("pwcca", {}),
        "rsa": ("rsa", {}),
        "rsa, euclidean": ("rsa", {"rdm": "euclidean"}),
        "linear_cka": ("linear_cka", {}),
        "rbf_cka": ("rbf_cka", {}),
        "procrustes": ("procrustes", {}),
        "mutual_knn": ("mutual_knn", {"k": k}),
        "mppc": ("mppc", {}),
        "heldout_cca": ("heldout_cca", {}),
        "heldout_r2": ("heldout_r2", {}),
        "translation_accuracy": ("translation_accuracy", {}),
    }


def power(structure: str, n: int, data_sets: int) -> dict[str, float | None]:
    """Share of data sets in which each measure gives p ≤ .05; None where the answer is forced."""
    make, share = STRUCTURES[structure][0], share_at(structure, n)
    found: dict[str, list[bool] | None] = {label: [] for label in variants(n)}
    for number in range(data_sets):
        x, y = make(np.random.default_rng([n, number]), n, share)
        for label, (name, options) in variants(n).items():
            hits = found[label]
            if hits is None:
                continue
            try:
                test = permutation_test(name, x, y, draws=DRAWS, rng=number, **options)
            except InputError:
                found[label] = None
            else:
                hits.append(test.p <= LEVEL)
    return {label: float(np.mean(hits)) if hits is not None else None for label, hits in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--data-sets", type=int, help="for every size (default: fewer for the large ones)")
    parser.add_argument("--structures", nargs="+", default=list(STRUCTURES))
    options = parser.parse_args()
    for structure in options.structures:
        columns = {}
        for n in options.sizes:
            columns[n] = power(structure, n, options.data_sets or SIZES.get(n, 20))
            print(structure, n, columns[n], file=sys.stderr, flush=True)
        shares = [f"{share_at(structure, n):g}" for n in columns]
        print(f"\n{structure}\n\n| measure | " + " | ".join(f"n = {n:,}" for n in columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        print("| *share of variance* | " + " | ".join(f"*{share}*" for share in shares) + " |")
        for label, (name, _) in variants(24).items():
            assert name in METRICS
            cells = ["–" if value[label] is None else f"{value[label]:.2f}" for value in columns.values()]
            print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
