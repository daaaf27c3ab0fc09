"""Every matcher on two large sparse sides: seconds, pairs, and the total it reaches.

    python benchmarks/matching_large.py                                  # 16,384 x 16,384: half a minute
    python benchmarks/matching_large.py --features 1024 --tokens 2000    # seconds

Both sides are prepared beforehand; each time holds the correlation that the matcher starts from.
"""

import argparse
import time

from coactivation_data import MadeUpSides

from congruence.matching import match
from congruence.stats import correlate, prepare
from congruence.threads import available_threads

METHODS = ("many_to_one", "one_to_one", "mutual_best", "greedy", "assignment")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=16_384)
    parser.add_argument("--tokens", type=int, default=22_500)
    parser.add_argument("--l0", type=int, default=70)
    options = parser.parse_args()
    small = [prepare(side) for side in MadeUpSides(500, 64, 8).matrices()]
    for method in METHODS:
        match(*small, method=method)
    a, b = (prepare(side) for side in MadeUpSides(options.tokens, options.features, options.l0).matrices())
    correlate(a, b)
    print(
        f"{options.features:,} x {options.features:,} features, {options.tokens:,} tokens, L0 {options.l0}, "
        f"{available_threads()} threads\n"
    )
    print("| matcher | wall s | processor s | pairs | maximises | total |\n|---|---|---|---|---|---|")
    for method in METHODS:
        wall, processor = time.perf_counter(), time.process_time()
        found = match(a, b, method=method)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(
            f"| `{method}` | {wall:.2f} | {processor:.2f} | {len(found):,} | {found.objective} | "
            f"{found.total:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
