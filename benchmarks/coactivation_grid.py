"""A grid of layer pairs: what belongs to one layer once, correlation and both pairings for every pair.

    python benchmarks/coactivation_grid.py                                            # 6 x 6 at 16,384
    python benchmarks/coactivation_grid.py --layers 2 --features 1024 --tokens 2000   # seconds

Layer i of A and layer i of B share a third of their firings; other pairs only their firing rates. Pairings:
many to one and its one-to-one filter (Lan et al. 2024), and the greedy bijection (Son et al. 2025).
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from coactivation_data import MadeUpSides
from coactivation_large import compile_kernels

from congruence.matching import greedy, many_to_one, one_to_one
from congruence.stats import correlate, prepare, top_tokens
from congruence.stats.prepared import PreparedActs
from congruence.threads import available_threads


class Clock:
    """Wall and processor seconds by name."""

    def __init__(self) -> None:
        self.spent: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))

    def __call__(self, name: str, run: Callable[[], Any]) -> Any:
        wall, processor = time.perf_counter(), time.process_time()
        result = run()
        self.spent[name] += time.perf_counter() - wall, time.process_time() - processor
        return result


def prepared(acts: Any, token_ids: np.ndarray) -> PreparedActs:
    """Moments, both layouts and top tokens of one layer."""
    side = prepare(acts)
    side.rows("pearson", 1 << 15)
    side.columns("pearson")
    top_tokens(side, token_ids)
    return side


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--features", type=int, default=16_384)
    parser.add_argument("--tokens", type=int, default=22_500)
    parser.add_argument("--l0", type=int, default=70)
    options = parser.parse_args()
    compile_kernels()
    ids = np.zeros(options.tokens, np.int64)
    made = [
        MadeUpSides(options.tokens, options.features, options.l0, seed=i).matrices()
        for i in range(options.layers)
    ]
    clock = Clock()
    layers_a = [clock("each layer once", lambda a=a: prepared(a, ids)) for a, _ in made]
    layers_b = [clock("each layer once", lambda b=b: prepared(b, ids)) for _, b in made]
    for a in layers_a:
        for b in layers_b:
            found = clock("correlation, both ways", lambda a=a, b=b: correlate(a, b, top_k=2))
            clock("many to one, one to one", lambda found=found: one_to_one(many_to_one(found)))
            clock("greedy bijection", lambda a=a, b=b, found=found: greedy(a, b, correlation=found))
    pairs = options.layers**2
    print(
        f"{options.layers} x {options.layers} layers, {options.features:,} features, "
        f"{options.tokens:,} tokens, L0 {options.l0}, {available_threads()} threads\n"
    )
    print("| | wall s | processor s | wall s a pair |\n|---|---|---|---|")
    total = sum(clock.spent.values())
    for name, (wall, processor) in [*clock.spent.items(), ("total", total)]:
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {wall / pairs:.3f} |")


if __name__ == "__main__":
    main()
