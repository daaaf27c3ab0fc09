"""A run's work given to others: what they leave in its folder is found there as if it were finished before.

So one path computes everything, in this process; a runner only sees to it that little is left to compute.
What is stored is made by the same code from the same things, whoever makes it and in whatever order.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from congruence.errors import StorageError
from congruence.progress import Progress
from congruence.run.bench import PHRASES, TEXT, Bench, capture_tasks, cell_tasks
from congruence.runners import Opening, Runner, Task, open_runner
from congruence.storage import elsewhere

WORKER = "congruence.run.bench:open_worker"
"""What opens a worker, wherever it is."""


class Others:
    """Those who work beside this process; where there are none, nothing is done.

    Args:
        bench: the run.
        runner: gives tasks to workers; None where this process does everything.
        progress: shows how far they are.
    """

    def __init__(self, bench: Bench, runner: Runner | None, progress: Progress) -> None:
        self.bench, self.runner, self.progress = bench, runner, progress

    def capture(self) -> None:
        """Have the text captured."""
        self._captured(TEXT, "capture")

    def capture_phrases(self) -> None:
        """Have the phrases of concepts captured, where there are any."""
        if self.bench.concepts is not None and self.bench.concepts.config.multi_token:
            self._captured(PHRASES, "capture phrases")

    def compare(self) -> None:
        """Have every cell computed."""
        if self.runner is not None:
            self._do("compare layer pairs, with others", cell_tasks(self.bench), "pairs")

    def _captured(self, what: str, label: str) -> None:
        if self.runner is not None:
            tasks = capture_tasks(self.bench, what, self.bench.config.runner.gpus_per_capture)
            self._do(f"{label}, with others", tasks, "tokens")

    def _do(self, label: str, tasks: Sequence[Task], unit: str) -> None:
        if self.runner is None or not tasks:
            return
        done, total = 0, sum(task.size for task in tasks)

        def moved(task: Task) -> None:
            nonlocal done
            done += task.size
            self.progress.advance(label, done, total, unit)

        self.progress.advance(label, 0, total, unit)
        self.runner.do(tasks, moved)
        elsewhere.look_again()


@contextmanager
def shared_out(bench: Bench, progress: Progress, url: str = "") -> Iterator[Others]:
    """The run's runner, from its start to its end.

    Args:
        bench: the run.
        progress: shows how far the others are.
        url: of the store for machines that don't see the run's folder; "": there is none.

    Raises:
        CongruenceError: it can't be had, or what ended a task.
    """
    folder = bench.folder.path.absolute()
    mark = folder / f".run-{secrets.token_hex(8)}"
    runner = open_runner(
        bench.config.runner,
        Opening(WORKER, (bench.config, str(folder), mark.name, url)),
    )
    if runner is None:
        yield Others(bench, None, progress)
        return
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except OSError as error:
        raise StorageError(
            f"can't write {mark}: {error.strerror}: make room, or name another folder"
        ) from error
    try:
        with runner:
            yield Others(bench, runner, progress)
    finally:
        mark.unlink(missing_ok=True)
