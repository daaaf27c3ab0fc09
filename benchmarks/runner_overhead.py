"""What a runner costs beside the tasks: seconds until a worker is there, and of a task that does nothing.

    python benchmarks/runner_overhead.py [--tasks 2000] [--workers 2] [--runners processes,ray]

Prints a table in Markdown.
"""

import argparse
import os
import time

from congruence.runners import Opening, Runner, Task


def open_nothing() -> object:
    """A worker that does nothing."""
    return lambda task: None


def runner_of(kind: str, workers: int) -> Runner:
    opening = Opening("runner_overhead:open_nothing")
    if kind == "processes":
        from congruence.runners.processes import Processes

        return Processes(opening, workers=workers)
    from congruence.runners.on_ray import OnRay

    return OnRay(opening, workers=workers)


def tasks(count: int, what: str) -> list[Task]:
    return [Task("nothing", f"{what} {number}", (number,), near=str(number % 7)) for number in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runners", default="processes,ray")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    print("| runner | workers there after, s | a task, ms | tasks a second |\n|---|---|---|---|")
    for kind in options.runners.split(","):
        started = time.perf_counter()
        with runner_of(kind, options.workers) as runner:
            runner.do(tasks(2 * options.workers, "first"), lambda task: None)
            there = time.perf_counter() - started
            count = options.tasks if kind == "processes" else options.tasks // 4
            started = time.perf_counter()
            runner.do(tasks(count, "then"), lambda task: None)
            each = (time.perf_counter() - started) / count
        print(f"| {kind} | {there:.1f} | {1e3 * each:.2f} | {1 / each:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
