"""The simulation beside the truth: a configuration in one process, then in several, and as it was planned.

    python benchmarks/plan_check.py CONFIG [--workers 2]

The run in one process gives the costs (its folder is what `congruence plan --from` reads); the plan for
several is set beside the time that they took. Meant for a machine that does nothing else.
"""

import argparse
import tempfile
import time
from pathlib import Path

import congruence
from congruence.config.parsing import load_config
from congruence.planning import Costs, Setting, measured_in, simulate, work_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    config = load_config(options.config, there=True)
    took = {}
    with tempfile.TemporaryDirectory() as root:
        for number in (1, options.workers):
            kind = "serial" if number == 1 else {"kind": "processes", "workers": number}
            started = time.perf_counter()
            congruence.compare(config, out=Path(root) / str(number), progress=False, runner=kind)
            took[number] = time.perf_counter() - started
        found = measured_in(Path(root) / "1")
        work = work_of(config, found.l0)
    costs = found.fit(Costs.default(), work.pieces, work.tokens)
    alone = took[1] - sum(map(costs.seconds, work.pieces))
    print(f"costs {costs.told}; beside its tasks the starting process worked for {alone:.1f} s")
    costs = Costs(**{**costs.record(), "alone": alone, "alone_per_cell": 0.0, "alone_per_source": 0.0})
    for number, seconds in took.items():
        planned = simulate(work, costs, Setting(number, stragglers=0, deaths=0)).seconds
        print(f"{number} workers: {seconds:.1f} s, simulated {planned:.1f} s ({planned / seconds - 1:+.0%})")


if __name__ == "__main__":
    main()
