"""Where the time of the demo goes, part by part, from the command to the finished folder.

    python benchmarks/where_time_goes.py [--concepts] [--again] [--keep FOLDER] [--functions 20]

Every few milliseconds a thread looks at what all threads of Python are doing and gives each the processor
time that it used since, so a part counts whatever runs in it, beside it or below it. Threads that Python
doesn't know, as torch has, are counted in a row of their own: with OMP_NUM_THREADS=1 there are none. Kernels
have to be compiled before: run it twice.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

EVERY = 0.004
PARTS = (
    ("importlib._bootstrap", "_find_and_load", "imports"),
    ("numba/core/dispatcher.py", "", "loading compiled kernels"),
    ("transformers/modeling_utils.py", "from_pretrained", "loading models and tokenizers"),
    ("transformers/tokenization", "", "loading models and tokenizers"),
    ("models/load.py", "", "loading models and tokenizers"),
    ("models/tokens.py", "", "reading and tokenizing the text"),
    ("sides/corpus.py", "read_text", "reading and tokenizing the text"),
    ("doctor/", "", "preflight"),
    ("saes/activation_functions.py", "sparse", "capture: encoding"),
    ("saes/sae.py", "encode_csr", "capture: encoding"),
    ("activations/capture.py", "_encoded", "capture: encoding"),
    ("models/language_model.py", "capture", "capture: forward passes"),
    ("activations/", "", "capture: shards, the rest"),
    ("metrics/kernels.py", "triangle_draws", "draws: RSA"),
    ("metrics/subspace.py", "nuclear_draws", "draws: SVCCA, Procrustes"),
    ("metrics/rsa_lists.py", "", "draws of concepts: RSA"),
    ("metrics/svcca.py", "from_products", "draws of concepts: SVCCA"),
    ("metrics/svcca.py", "_of_lists", "draws of concepts: SVCCA"),
    ("metrics/cka.py", "of_lists", "draws of concepts: CKA"),
    ("metrics/pc1.py", "of_lists", "draws of concepts: pc1"),
    ("metrics/lists.py", "cosines", "draws of concepts: products gathered"),
    ("metrics/lists.py", "make_products", "products of decoder rows"),
    ("metrics/lists.py", "", "draws of concepts: the rest"),
    ("significance/scoring.py", "_repaired", "draws: other measures"),
    ("significance/scoring.py", "of", "measures of the observed pairs"),
    ("matching/inside.py", "", "pairing inside drawn sets"),
    ("nulls/", "", "drawing"),
    ("significance/", "", "p values and summaries"),
    ("stats/", "", "correlation"),
    ("matching/", "", "pairing and filters"),
    ("run/run_cells.py", "match_table", "tables of pairs"),
    ("run/stored.py", "", "storing cells"),
    ("concepts/", "", "words, members and phrases of concepts"),
    ("run/selections/", "", "words, members and phrases of concepts"),
    ("run/concept_stage.py", "", "words, members and phrases of concepts"),
    ("run/evidence.py", "", "evidence and decoder map"),
    ("run/tables.py", "", "tables of the run"),
    ("view/embedded.py", "", "page: what it embeds"),
    ("report/figures.py", "", "pictures"),
    ("report/sheet.py", "", "pictures"),
    ("report/", "", "page: the rest"),
    ("view/", "", "page: the rest"),
    ("run/publish.py", "", "tables of the run"),
    ("storage/", "", "storage: keys, checks, files"),
    ("run/", "", "the rest of the run"),
)  # fmt: skip
"""(file holds, function holds, part): of a stack, the innermost frame that a row fits counts."""


class Sampler(threading.Thread):
    """Processor seconds of every thread by part and by function, as far as Python knows the threads."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.parts: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()
        self._used: dict[int, float] = {}
        self._parts_of: dict[object, str | None] = {}
        self._stop_now = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        while not self._stop_now.wait(EVERY):
            self._look()

    def stop(self) -> None:
        """Look no more."""
        self._stop_now.set()
        self.join()

    def _look(self) -> None:
        for thread, frame in sys._current_frames().items():
            try:
                used = time.clock_gettime(time.pthread_getcpuclockid(thread))
            except OSError:  # it has ended
                continue
            spent = used - self._used.get(thread, 0.0)
            self._used[thread] = used
            if spent < 0:  # the number stands for another thread now
                spent = used
            if thread == threading.get_ident():
                self.parts["(looking)"] += spent
                continue
            if spent > 0:
                part = self._part(frame)
                self.parts[part] += spent
                self.functions[f"{part}: {_name(frame)}"] += spent

    def _part(self, frame: FrameType) -> str:
        for one in _outwards(frame):
            code = one.f_code
            if code not in self._parts_of:
                self._parts_of[code] = _part_of(code.co_filename, code.co_qualname)
            if (found := self._parts_of[code]) is not None:
                return found
        return "everything else"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _part_of(file: str, function: str) -> str | None:
    for place, name, part in PARTS:
        within = "/" not in place or place.startswith(("numba", "transformers")) or "/congruence/" in file
        if within and place in file and name in function:
            return part
    return None


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(Path(code.co_filename).parts[-2:])}:{code.co_qualname}"


def main() -> None:
    """Run the demo under the sampler and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--concepts", action="store_true")
    parser.add_argument(
        "--again", action="store_true", help="the same command on the finished folder, timed alone"
    )
    parser.add_argument("--keep", type=Path, help="run in this folder and leave it")
    parser.add_argument("--functions", type=int, default=0, help="this many functions too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        command = ["demo", "--out", str(given.keep or Path(scratch) / "demo"), "--no-progress"]
        command += ["--concepts"] if given.concepts else []
        if given.again:
            subprocess.run(
                [sys.executable, "-m", "congruence", *command], check=True, stdout=subprocess.DEVNULL
            )
        _watch(command, given.functions)


def _watch(command: list[str], functions: int) -> None:
    sampler, wall = Sampler(), time.perf_counter()
    sampler.start()
    from congruence.cli.main import main as run

    run(command)
    sampler.stop()
    wall, cpu = time.perf_counter() - wall, time.process_time()
    unseen = cpu - sum(sampler.parts.values())
    sampler.parts["threads that Python doesn't know"] += max(unseen, 0.0)
    print("| part | processor s | share |\n|---|---|---|")
    for part, seconds in sampler.parts.most_common():
        print(f"| {part} | {seconds:.2f} | {100 * seconds / cpu:.1f} % |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| all: wall {wall:.1f} s, peak memory {peak:.2f} GiB | {cpu:.2f} | 100 % |")
    for name, seconds in sampler.functions.most_common(functions):
        print(f"{seconds:8.2f} {name}")


if __name__ == "__main__":
    main()
