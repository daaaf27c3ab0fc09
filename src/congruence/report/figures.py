"""Writing every picture of a run as PNG and SVG."""

from pathlib import Path

from congruence.report.concept_pictures import concept_evidence, concept_pictures
from congruence.report.heatmap import render
from congruence.report.pictures import Picture, headline_picture, pictures
from congruence.report.read import FinishedRun, read_run
from congruence.report.views import headline, measure_views
from congruence.storage import atomic_path

FOLDER = "figures"


def write_figures(run_dir: str | Path) -> list[Path]:
    """Draw every heat map of a finished run below ``figures/``; files of the same name are replaced.

    ``score_<measure>``, ``null_mean_<measure>``, ``p_<measure>``, ``q_<measure>`` for every measure,
    ``mean_r_before``, ``mean_r_after``, ``pairs_before``, ``pairs_after``, one picture a control, and
    ``headline``: score, null and ceiling of the headline measure side by side. Each as PNG and SVG. Concept
    subspaces add ``concepts_score_<measure>``, ``concepts_interaction_<measure>``, ``concepts_pairs``, and
    ``concepts_p_<measure>_<null>`` and ``concepts_q_<measure>_<null>`` for every null.

    Args:
        run_dir: folder of a finished run.

    Returns:
        The files written, PNG before SVG.

    Raises:
        StorageError: `run_dir` isn't a finished run or can't be written to.
    """
    run = read_run(run_dir)
    wanted = [*pictures(run), *concept_pictures(run), *concept_evidence(run)]
    if views := measure_views(run):
        wanted.append(headline_picture(run, headline(views)))
    return [path for picture in wanted for path in _write(picture, run)]


def _write(picture: Picture, run: FinishedRun) -> list[Path]:
    paths = []
    for suffix, content in render(picture, run.side_name("a"), run.side_name("b")).items():
        path = run.path / FOLDER / f"{picture.name}.{suffix}"
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
        paths.append(path)
    return paths
