"""RSA at the papers' largest size: exact ranks of 353 million distances, time and peak memory.

python benchmarks/measures_rsa_large.py                 # n = 26,578, 1,000 draws
python benchmarks/measures_rsa_large.py --n 8000 --draws 100
"""

import argparse
import resource
import time

import numpy as np

from congruence.metrics import METRICS
from congruence.significance import permutations_for

GIB = 2**20


def peak() -> float:
    """Largest memory held so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB


def decoders(n: int, d_a: int, d_b: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit float32 rows that share a part of rank 64."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(n, 64)).astype(np.float32)
    sides = []
    for d in (d_a, d_b):
        side = 0.3 * shared @ rng.normal(size=(64, d)).astype(np.float32)
        side += rng.standard_normal(size=(n, d), dtype=np.float32)
        sides.append(side / np.linalg.norm(side, axis=1, keepdims=True))
    return sides[0], sides[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=26_578)
    parser.add_argument("--widths", type=int, nargs=2, default=(2048, 2304))
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--rdm", default="correlation")
    options = parser.parse_args()
    x, y = decoders(options.n, *options.widths)
    print(f"n = {options.n}, d = {options.widths}, inputs in memory: {peak():.2f} GiB", flush=True)
    started = time.perf_counter()
    prepared = METRICS.get("rsa").prepare(x, y, rdm=options.rdm)
    ready = time.perf_counter()
    score = float(prepared.observed())
    print(f"prepared in {ready - started:.1f} s, peak {peak():.2f} GiB, score {score:.6f}", flush=True)
    started = time.perf_counter()
    scores = prepared.repaired(permutations_for(0, options.draws, options.n))
    seconds = time.perf_counter() - started
    each = seconds / options.draws
    print(f"{options.draws} draws in {seconds:.1f} s ({each:.3f} s each), peak {peak():.2f} GiB")
    print(f"null mean {scores.mean():+.2e}, std {scores.std(ddof=1):.2e}")


if __name__ == "__main__":
    main()
