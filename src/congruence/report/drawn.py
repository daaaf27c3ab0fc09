"""Pictures and report of a run, drawn again only where what they show, or they themselves, have changed."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from congruence import __version__
from congruence.errors import StorageError
from congruence.report.figures import FOLDER, write_figures
from congruence.report.html import REPORT, write_report
from congruence.report.several.page import write_models_report
from congruence.report.several.trees import write_trees
from congruence.run.opening import load_run
from congruence.run.results import AGAIN, Run
from congruence.run.schema import TABLES
from congruence.run.several.results import ModelsRun
from congruence.runners import Opening, Task
from congruence.runners.processes import Processes
from congruence.storage import content_key, file_key, open_artefact, whole_or_none, write_artefact
from congruence.threads import available_threads

KIND, FORMAT = "pictures", 1
RECORD = ".pictures.json"
_OF_ONE_START = ("finished", "seconds")
"""What run.json says of one start, and no picture shows."""
BESIDE = 1000
"""Rows of results from which pictures are drawn in a process of their own, while this one writes the page."""


def draw(run_dir: str | Path | Run | ModelsRun) -> None:
    """Write figures and report, unless those that are there were made from the same results.

    Pictures of results that are gone are removed.

    Args:
        run_dir: a finished run, or its folder.

    Raises:
        StorageError: `run_dir` isn't a finished run or can't be written to.
    """
    run = load_run(run_dir)
    made_from = _made_from(run)
    if _drawn(run.folder, made_from):
        return
    if isinstance(run, ModelsRun):
        _these_alone(run.folder, write_trees(run))
        page = write_models_report(run)
    elif len(run.results) < BESIDE or available_threads() < 2 or os.name != "posix":
        draw_figures(run)
        page = write_report(run)
    else:
        page = _both(run)
    names = [path.relative_to(run.folder).as_posix() for path in [*_pictures(run.folder), page]]
    write_artefact(run.folder / RECORD, KIND, FORMAT, {"made_from": made_from}, files=names)


def draw_figures(run: Run | str) -> None:
    """Write a run's figures; pictures of results that are gone are removed."""
    found = run if isinstance(run, Run) else load_run(run)
    _these_alone(found.folder, write_figures(found))


def figure_worker(folder: str) -> Callable[[Task], None]:
    """What draws the figures of a run in another process."""
    return lambda task: draw_figures(folder)


def _both(run: Run) -> Path:
    """Figures and page at once; the page."""
    opening = Opening(f"{__name__}:{figure_worker.__name__}", (str(run.folder),))
    with ThreadPoolExecutor(1) as thread, Processes(opening, workers=1, attempts=1) as beside:
        beside.begin()
        drawn = thread.submit(beside.do, [Task("figures", "draw figures")], lambda task: None)
        page = write_report(run, figures_beside=True)
        drawn.result()
    return page


def _pictures(folder: Path) -> list[Path]:
    """The pictures that lie in a run's folder."""
    found = sorted((folder / FOLDER).glob("*.*"))
    return [path for path in found if path.suffix in (".png", ".svg") and not path.name.startswith(".")]


def _these_alone(folder: Path, paths: Sequence[Path]) -> None:
    for other in set(_pictures(folder)) - set(paths):
        other.unlink(missing_ok=True)


def _made_from(run: Run | ModelsRun) -> str:
    told = {name: value for name, value in run.info.items() if name not in _OF_ONE_START}
    tables = [path for name in TABLES if (path := run.folder / f"{name}.parquet").exists()]
    if odd := [path for path in tables if not path.is_file()]:
        raise StorageError(f"{odd[0]} is no plain file: {AGAIN}")
    return content_key([__version__, told, [[path.name, file_key(path)] for path in tables]])


def _drawn(folder: Path, made_from: str) -> bool:
    """Whether all pictures are there, made from these results and as they were drawn."""

    def read(place: Path) -> str:
        pictures = open_artefact(place, KIND, FORMAT)
        pictures.check()
        return pictures.record["made_from"] if REPORT in pictures.files else ""

    return whole_or_none(folder / RECORD, read) == made_from
