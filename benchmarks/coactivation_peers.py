"""Best partners both ways beside what else could find them, each at the largest size that it can do.

    pip install sparse-dot-topn sparse-dot-mkl mkl             # what isn't there is left out
    python benchmarks/coactivation_peers.py                    # draws docs/figures/coactivation-peers.png
    python benchmarks/coactivation_peers.py --sizes 2048 4096 --out x.png  # a minute

Made-up activations (`coactivation_data.py`) of as many tokens as features, 20,000 at least. Every peer starts
from the same CSR matrices in memory, in a process of its own, and is to give each feature's greatest r, both
ways, on all cores; one that takes longer than --limit, or more memory than --memory, isn't asked for more.

- `scipy`, `mkl`: the product of the scaled matrices, the product of means taken off, and maxima of rows and
  columns; MKL's product by sparse_dot_mkl.
- `sparse_dot_topn`: its fused product and top 1, both ways. It takes nothing off: cosines, not r.
- `torch`: z-scores, 4,096 x 4,096 float32 tiles, running maxima. `numpy`: `corrcoef`.
"""

import argparse
import importlib.util
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from coactivation_data import MadeUpSides
from coactivation_large import compile_kernels
from coactivation_speed import dense_best, peak_above
from scipy import sparse

from congruence.stats import correlate
from congruence.threads import available_threads

SIZES = (4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144)
L0, FEWEST_TOKENS = 64, 20_000
Best = tuple[np.ndarray, np.ndarray]


def ours(a: sparse.csr_array, b: sparse.csr_array) -> Best:
    found = correlate(a, b, engine="sparse")
    return found.a_to_b.values[:, 0], found.b_to_a.values[:, 0]


def scipy_product(a: sparse.csr_array, b: sparse.csr_array) -> Best:
    (scaled_a, means_a), (scaled_b, means_b) = scaled(a), scaled(b)
    return maxima(sparse.csr_array(scaled_a.T) @ scaled_b, means_a, means_b)


def mkl_product(a: sparse.csr_array, b: sparse.csr_array) -> Best:
    import sparse_dot_mkl

    (scaled_a, means_a), (scaled_b, means_b) = scaled(a), scaled(b)
    product = sparse_dot_mkl.dot_product_mkl(sparse.csr_matrix(scaled_a.T), sparse.csr_matrix(scaled_b))
    return maxima(sparse.csr_array(product), means_a, means_b)


def topn(a: sparse.csr_array, b: sparse.csr_array) -> Best:
    from sparse_dot_topn import sp_matmul_topn

    scaled_a, scaled_b = (sparse.csr_matrix(scaled(side)[0]) for side in (a, b))
    found = []
    for one, other in ((scaled_a, scaled_b), (scaled_b, scaled_a)):
        best = sp_matmul_topn(one.T.tocsr(), other, top_n=1, n_threads=available_threads())
        found.append(best.max(axis=1).toarray().ravel())
    return found[0], found[1]


def torch_tiles(a: sparse.csr_array, b: sparse.csr_array) -> Best:
    best = dense_best(a.toarray(), b.toarray(), 1.0)[2].numpy()
    return best, best


def numpy_corrcoef(a: sparse.csr_array, b: sparse.csr_array) -> Best:
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.corrcoef(a.toarray(), b.toarray(), rowvar=False)[: a.shape[1], a.shape[1] :]
    r = np.nan_to_num(r, nan=-np.inf)
    return r.max(axis=1), r.max(axis=0)


PEERS: dict[str, tuple[Callable[..., Best], str | None]] = {
    "congruence": (ours, None),
    "sparse_dot_topn": (topn, "sparse_dot_topn"),
    "mkl": (mkl_product, "sparse_dot_mkl"),
    "scipy": (scipy_product, None),
    "torch": (torch_tiles, None),
    "numpy": (numpy_corrcoef, None),
}


def scaled(acts: sparse.csr_array) -> tuple[sparse.csr_array, np.ndarray]:
    """Columns over the root of their summed squared deviation, and so scaled means, times the root of n."""
    n = acts.shape[0]
    mean = np.asarray(acts.mean(axis=0)).ravel()
    square = np.asarray(acts.multiply(acts).sum(axis=0)).ravel() - n * mean**2
    inverse = np.divide(1.0, np.sqrt(np.maximum(square, 0)), out=np.zeros_like(mean), where=square > 1e-12)
    out = acts.copy()
    out.data = out.data * inverse.astype(np.float32)[out.indices]
    return out, mean * inverse * np.sqrt(n)


def maxima(product: sparse.csr_array, means_a: np.ndarray, means_b: np.ndarray) -> Best:
    """The greatest r of each row and column among the pairs that fire together."""
    rows = np.repeat(np.arange(product.shape[0], dtype=np.int32), np.diff(product.indptr))
    r = product.data - means_a[rows] * means_b[product.indices]
    best_a, best_b = np.full(product.shape[0], -np.inf), np.full(product.shape[1], -np.inf)
    some = np.diff(product.indptr) > 0
    best_a[some] = np.maximum.reduceat(r, product.indptr[:-1][some])
    np.maximum.at(best_b, product.indices, r)
    return best_a, best_b


def measure(peer: str, features: int, memory: float, out: Any) -> None:
    """In a process of its own: (wall s, processor s, MB above the inputs, difference from ours)."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory * 2**30),) * 2)
    a, b = MadeUpSides(max(features, FEWEST_TOKENS), features, L0).matrices()
    run, found = PEERS[peer][0], []
    compile_kernels()
    spent = [time.perf_counter(), time.process_time()]

    def timed() -> None:
        spent[:] = [time.perf_counter(), time.process_time()]
        found.append(run(a, b))
        spent[:] = [time.perf_counter() - spent[0], time.process_time() - spent[1]]

    try:
        peak = peak_above(timed)
    except MemoryError:
        out.put(None)
        return
    off = 0.0
    if peer in ("scipy", "mkl", "torch", "numpy"):
        expected = ours(a, b)[0]
        off = float(np.nanmax(np.abs(found[0][0] - expected)[np.isfinite(found[0][0])]))
    out.put((*spent, peak, off))


def asked(peer: str, features: int, options: argparse.Namespace) -> tuple[float, ...] | None:
    """What a peer took, or None where it broke a limit."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measure, args=(peer, features, options.memory, queue))
    process.start()
    # Making up the activations isn't limited.
    process.join(options.limit + 30 + features / 1000)
    if (process.exitcode or 0) > 0:  # below: killed by a signal, as BLAS is where it gets no memory
        raise SystemExit(f"{peer} fails at {features} features: see above")
    process.kill()
    process.join()
    found = None if queue.empty() else queue.get()
    return found if found is None or found[0] <= options.limit else None


def draw(found: dict[str, list[tuple[int, float, float]]], out: Path) -> None:
    """Processor seconds and memory over features."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, points in found.items():
        if not points:
            continue
        features, spent, peak = np.array(points).T
        for axis, values in zip(axes, (spent, np.maximum(peak, 1)), strict=True):
            axis.loglog(features, values, "o-", label=name, linewidth=2.5 if name == "congruence" else 1.2)
    for axis, label in zip(axes, ("processor seconds", "MB above the inputs"), strict=True):
        axis.set_xlabel("features of each side")
        axis.set_ylabel(label)
        axis.set_xscale("log", base=2)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(out, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--limit", type=float, default=60.0, help="wall seconds of one search")
    parser.add_argument("--memory", type=float, default=16.0, help="GiB of address space a process may have")
    default = Path(__file__).parents[1] / "docs" / "figures" / "coactivation-peers.png"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    there = [name for name, (_, needs) in PEERS.items() if not needs or importlib.util.find_spec(needs)]
    found: dict[str, list[tuple[int, float, float]]] = {name: [] for name in there}
    print("| | features | tokens | wall s | processor s | MB above the inputs | largest difference |")
    print("|---|---|---|---|---|---|---|")
    done = set()
    for features in options.sizes:
        for name in there:
            if name in done:
                continue
            spent = asked(name, features, options)
            tokens = max(features, FEWEST_TOKENS)
            if spent is None:
                done.add(name)
                print(f"| {name} | {features:,} | {tokens:,} | beyond the limits | | | |", flush=True)
                continue
            wall, processor, peak, off = spent
            found[name].append((features, processor, peak))
            figures = f"{wall:.2f} | {processor:.2f} | {peak:,.0f} | {off:.1e}"
            print(f"| {name} | {features:,} | {tokens:,} | {figures} |", flush=True)
    draw(found, options.out)


if __name__ == "__main__":
    main()
