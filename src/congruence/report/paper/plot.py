"""`plot`: one figure of a run; `write_paper_figures`: all of them as files, with captions."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from congruence.errors import InputError, StorageError, unknown_name
from congruence.options import choice
from congruence.report.paper.kinds import kinds
from congruence.report.paper.style import FORMATS, PaperFigure, Style
from congruence.report.pictures import file_name
from congruence.run.results import Run, load_run
from congruence.storage import write_bytes

CAPTIONS = "captions.md"


def plot(
    run: Run,
    what: str | None = None,
    *,
    kind: str | None = None,
    width: str = "column",
    font_size: float = 8.0,
    title: bool = False,
) -> PaperFigure:
    """One figure of a run.

    Args:
        run: the run.
        what: a measure by label or name, a kind without a measure ("mean_r"), or a figure's whole name
            ("depth_rsa"); None: the leading measure.
        kind: of a measure's figure: "scores" (default), "p", "null", "depth", "draws", "concepts",
            "concept_layers" or "concept_bars".
        width, font_size, title: as in :class:`Style`.

    Raises:
        InputError: the run has no such figure; the message lists those that it has.
    """
    style = Style(width, font_size, title)
    there = {one.name: one for one in kinds(run)}
    if what is None:
        what = str(run.best().measure)
    wanted = file_name(str(what)) if kind is None else file_name(f"{kind}_{what}")
    names = [name for name in (wanted, f"scores_{wanted}") if kind is None or name == wanted]
    names += [n for n in there if kind is None and n.startswith(f"scores_{wanted}_")]
    names += [n for n in there if kind is not None and n.startswith(f"{wanted}_")]
    found = next((there[name] for name in names if name in there), None)
    if found is None:
        raise InputError(unknown_name("figure", wanted, there))
    return found.draw(style)


def write_paper_figures(
    run_dir: str | Path | Run,
    out: str | Path | None = None,
    *,
    formats: Sequence[str] = ("pdf",),
    style: Style | None = None,
    beside: str | Path | Run | None = None,
    only: Sequence[str] = (),
) -> Iterator[Path]:
    """Write every figure of a run for a paper, and captions.md; nothing inside the run is replaced.

    Args:
        run_dir: a finished run, or its folder.
        out: folder; by default paper/ inside the run's folder.
        formats: "pdf", "svg" and "png", one or more.
        style: width, size of the type, title.
        beside: another run, whose scores are drawn beside these in one scale.
        only: names of figures; by default all.

    Yields:
        Each file when it is written.

    Raises:
        InputError: an unknown format or figure.
        StorageError: a folder isn't a finished run, or `out` can't be written to.
    """
    for suffix in formats:
        choice("format", suffix, FORMATS)
    run, style = load_run(run_dir), style or Style()
    wanted = kinds(run, None if beside is None else load_run(beside))
    for name in only:
        if name not in {kind.name for kind in wanted}:
            raise InputError(unknown_name("figure", name, [kind.name for kind in wanted]))
    folder = Path(out) if out is not None else run.path / "paper"
    told = []
    for kind in wanted:
        if only and kind.name not in only:
            continue
        try:
            figure = kind.draw(style)
        except StorageError as error:  # a copy of a run without the draws still gives the others
            told.append(f"**{kind.name}** wasn't drawn: {error}")
            continue
        told.append(f"**{kind.name}.** {kind.caption}")
        for suffix in formats:
            yield _write(folder / f"{kind.name}.{suffix}", figure.written(suffix))
    sides = f"{run.side_name('a')} × {run.side_name('b')}"
    head = f"# Captions\n\n{sides}, congruence {run.info['versions'].get('congruence', '')}"
    yield _write(folder / CAPTIONS, "\n\n".join([head, *told, ""]).encode())


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
    except OSError as error:
        raise StorageError(
            f"{path} can't be written: {error.strerror or error}: name another --out"
        ) from error
    return path
