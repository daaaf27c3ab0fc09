"""Pictures and report of a run, drawn again only where what they show, or they themselves, have changed."""

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
from congruence.storage import content_key, file_key, open_artefact, whole_or_none, write_artefact

KIND, FORMAT = "pictures", 1
RECORD = ".pictures.json"
_OF_ONE_START = ("finished", "seconds")
"""What run.json says of one start, and no picture shows."""


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
        paths = [*write_trees(run), write_models_report(run)]
    else:
        paths = [*write_figures(run), write_report(run)]
    for other in set((run.folder / FOLDER).glob("*.*")) - set(paths):
        if other.suffix in (".png", ".svg") and not other.name.startswith("."):
            other.unlink(missing_ok=True)
    names = [path.relative_to(run.folder).as_posix() for path in paths]
    write_artefact(run.folder / RECORD, KIND, FORMAT, {"made_from": made_from}, files=names)


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
