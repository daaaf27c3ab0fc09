"""Going through the study's worlds, keeping each one's rows, and writing the tables and the page."""

import logging
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from congruence import __version__
from congruence.progress import Progress, Silent
from congruence.storage import Memo, atomic_path, header, write_json, write_text
from congruence.storage.run_folder import open_folder
from congruence.synthetic.study import doing, encoding, looking, mapping, pairing, scoring, sharing
from congruence.synthetic.study.figures import write_figures
from congruence.synthetic.study.page import page_of
from congruence.synthetic.study.size import Size
from congruence.synthetic.study.summary import Frame, as_csv, summary_of
from congruence.synthetic.study.task import COLUMNS, Task

logger = logging.getLogger(__name__)

VERSION = 1
"""Of the study's arithmetic: worlds kept by another are measured anew."""
KIND, FORMAT = "truth", 1


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes:
        path: its folder.
        summary: means over worlds, as truth.csv has them.
        computed: worlds measured now; found: those that were kept from before.
    """

    path: Path
    summary: Frame
    computed: int
    found: int


def tasks_of(size: Size) -> list[Task]:
    """Every world of the study."""
    parts = (pairing, sharing, looking, doing, encoding, mapping, scoring)
    return [task for part in parts for task in part.tasks(size)]


def run_study(size: Size, out: str | Path, *, progress: Progress | None = None) -> Study:
    """Measure every world that isn't kept in `out` yet, and write tables, figures and page.

    Args:
        size: how much.
        out: the study's folder.
        progress: is told after each world.

    Raises:
        StorageError: `out` can't be written to.
    """
    progress = progress or Silent()
    folder = open_folder(Path(out)).path
    memo = Memo(folder / "worlds")
    tasks = tasks_of(size)
    totals, done, computed = Counter(task.chapter for task in tasks), Counter[str](), 0
    rows: list[dict[str, Any]] = []
    for task in tasks:
        key = [VERSION, task.key]
        kept = memo.look_up("truth", key)
        if kept is None:
            kept, computed = task.rows(), computed + 1
            memo.keep("truth", key, kept)
        rows += kept
        done[task.chapter] += 1
        progress.advance(task.chapter, done[task.chapter], totals[task.chapter], "worlds")
    table = pd.DataFrame(rows, columns=[*COLUMNS])
    summary = summary_of(table)
    _write(folder, table, summary, size)
    logger.info("%d worlds measured, %d found in %s", computed, len(tasks) - computed, folder / "worlds")
    return Study(folder, summary, computed, len(tasks) - computed)


def command_of(size: Size) -> str:
    """The command that gives this study."""
    parts = ["congruence truth", "--quick" if size.name == "quick" else "", f"--seed {size.seed}"]
    usual = Size.of(size.name if size.name == "quick" else "full")
    parts += [f"--draws {size.null_draws}" if size.null_draws != usual.null_draws else ""]
    return " ".join(part for part in parts if part)


def _write(folder: Path, table: Frame, summary: Frame, size: Size) -> None:
    with atomic_path(folder / "truth.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    write_text(folder / "truth.csv", as_csv(summary))
    figures = write_figures(summary, folder / "figures")
    about = {"command": command_of(size), "congruence": __version__, "study": VERSION, "size": asdict(size)}
    write_json(folder / "truth.json", header(KIND, FORMAT) | about)
    pictures = {path.stem: f"figures/{path.name}" for path in figures}
    write_text(folder / "truth.md", page_of(summary, command=command_of(size), figures=pictures))
