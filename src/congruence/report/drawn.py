"""Pictures and report of a run, drawn again only where what they show has changed."""

import json
from pathlib import Path

from congruence import __version__
from congruence.report.figures import write_figures
from congruence.report.html import REPORT, write_report
from congruence.run.results import load_run
from congruence.run.schema import TABLES
from congruence.storage import atomic_path, content_key, file_key

MADE_FROM = "figures/.made_from.json"
_OF_ONE_START = ("finished", "seconds")
"""What run.json says of one start, and no picture shows."""


def draw(run_dir: str | Path) -> None:
    """Write figures and report, unless those that are there were made from the same results.

    Args:
        run_dir: folder of a finished run.

    Raises:
        StorageError: `run_dir` isn't a finished run or can't be written to.
    """
    run = load_run(run_dir)
    tables = [path for name in TABLES if (path := run.path / f"{name}.parquet").exists()]
    told = {name: value for name, value in run.info.items() if name not in _OF_ONE_START}
    made_from = content_key([__version__, told, [[path.name, file_key(path)] for path in tables]])
    place = run.path / MADE_FROM
    if _drawn(place, made_from, run.path):
        return
    paths = [*write_figures(run.path), write_report(run.path)]
    with atomic_path(place) as temporary:
        record = {"made_from": made_from, "files": [str(path.relative_to(run.path)) for path in paths]}
        temporary.write_text(json.dumps(record), encoding="utf-8")


def _drawn(place: Path, made_from: str, folder: Path) -> bool:
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
        same = record["made_from"] == made_from
        return same and all((folder / name).exists() for name in [*record["files"], REPORT])
    except (OSError, ValueError, KeyError, TypeError):
        return False
