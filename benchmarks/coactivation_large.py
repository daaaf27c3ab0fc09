"""Best partners both ways out of core: from shards on disk, with the peak memory of what correlates them.

    python benchmarks/coactivation_large.py                                    # 2^20 x 2^20 features
    python benchmarks/coactivation_large.py --features 131072 --tokens 200000  # about a minute
    python benchmarks/coactivation_large.py --features 8192 --tokens 10000     # seconds

Another process writes the shards beforehand (8 bytes a firing, kept with --folder), so that `peak memory` is
that of reading and correlating alone: ru_maxrss of this process, the interpreter and its libraries included.
After the clock has stopped, the best partners of a random sample of features of both sides are computed again
in float64 with scipy and compared.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from coactivation_data import write_sides
from scipy import sparse

from congruence.activations.store import ActivationStore
from congruence.stats import Correlation, correlate
from congruence.stats.prepared import PreparedActs, prepare
from congruence.threads import available_threads

SAMPLE = 32


def compile_kernels() -> None:
    """Kernels are compiled once a machine; that is no part of the figure."""
    acts = sparse.random_array(
        (64, 32), density=0.2, format="csr", dtype=np.float32, rng=np.random.default_rng(0)
    )
    correlate(acts, acts, engine="sparse")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def worst_difference(a: PreparedActs, b: PreparedActs, found: Correlation) -> float:
    """Greatest |r - r in float64| of the best partners of some features of both sides."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for side, other, best in ((a, b, found.a_to_b), (b, a, found.b_to_a)):
        sample = rng.choice(side.varying, min(SAMPLE, len(side.varying)), replace=False)
        r = slow_correlations(side, other, np.sort(sample))
        worst = max(worst, float(np.abs(np.nanmax(r, axis=1) - best.values[np.sort(sample), 0]).max()))
    return worst


def slow_correlations(side: PreparedActs, other: PreparedActs, sample: np.ndarray) -> np.ndarray:
    """(sample, features of the other side) Pearson r by plain sparse products in float64."""
    products = np.zeros((other.shape[1], len(sample)))
    for (_, own), (_, theirs) in zip(side.source.blocks(), other.source.blocks(), strict=True):
        products += theirs.T.astype(np.float64) @ own[:, sample].astype(np.float64).toarray()
    n = side.shape[0]
    covariance = products.T / n - side.moments.mean[sample, None] * other.moments.mean
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / side.moments.std[sample, None] / other.moments.std


def products_of(a: ActivationStore, b: ActivationStore) -> tuple[float, int, int]:
    """(non-zero products, entries of A, entries of B)."""
    products, entries_a, entries_b = 0.0, 0, 0
    for own, theirs in zip(a, b, strict=True):
        products += float(np.diff(own.indptr).astype(np.float64) @ np.diff(theirs.indptr))
        entries_a, entries_b = entries_a + own.nnz, entries_b + theirs.nnz
    return products, entries_a, entries_b


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=1 << 20)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--l0", type=int, default=100)
    parser.add_argument(
        "--folder", type=Path, help="where the shards are, or are to be; else a temporary one"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "finished").exists():
            writer = multiprocessing.get_context("spawn").Process(
                target=write_sides, args=(folder, options.tokens, options.features, options.l0)
            )
            writer.start()
            writer.join()
            (folder / "finished").touch()
        measure(folder, options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    compile_kernels()
    before = peak_mb()
    wall, processor = time.perf_counter(), time.process_time()
    a, b = (prepare(ActivationStore.open(folder / side)) for side in "ab")
    read = time.perf_counter() - wall
    found = correlate(a, b, engine="sparse")
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = peak_mb()
    products, entries_a, entries_b = products_of(*(ActivationStore.open(folder / side) for side in "ab"))
    cells = float(options.features) ** 2
    print(
        f"{options.features:,} x {options.features:,} features, {options.tokens:,} tokens, "
        f"{entries_a / options.tokens:.0f} and {entries_b / options.tokens:.0f} firings a token, "
        f"{available_threads()} threads"
    )
    print(f"wall {wall:.1f} s (moments {read:.1f} s of it), processor {processor:.1f} s")
    print(f"peak memory {peak:.0f} MB, of which {before:.0f} MB before the activations were opened")
    print(
        f"{products:.3g} non-zero products: {1e9 * processor / products:.2f} processor ns each; "
        f"{cells:.3g} pairs: {1e9 * processor / cells:.3f} processor ns each"
    )
    print(f"features with a partner: {int((found.indices[:, 0] >= 0).sum()):,} of {options.features:,}")
    print(f"largest difference from float64 on {SAMPLE} features a side: {worst_difference(a, b, found):.1e}")


if __name__ == "__main__":
    main()
