"""`congruence run CONFIG --out DIR`."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from congruence.caches import kernels_line
from congruence.cli.places import RunPlace
from congruence.progress import shown, working

if TYPE_CHECKING:
    from congruence.run import Run


def log_to_terminal(verbose: int) -> None:
    """Show the package's log on standard error: warnings, with -v what is done, with -vv everything."""
    from rich.console import Console
    from rich.logging import RichHandler

    levels = [logging.WARNING, logging.INFO, logging.DEBUG]
    handler = RichHandler(console=Console(stderr=True), show_path=False, rich_tracebacks=False)
    handler.setLevel(levels[min(verbose, 2)])
    logger = logging.getLogger("congruence")
    for earlier in [h for h in logger.handlers if isinstance(h, RichHandler)]:
        logger.removeHandler(earlier)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    logger.info("%s", kernels_line())


set_option = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the configuration, such as null.draws=99 or a.layers=[1,2]; may be given again.",
)
"""The option of every command that reads a configuration of a run."""


def finish(finished: "Path | Run", *, pictures: bool = True, progress: bool = True) -> None:
    """Draw a finished run's pictures and report, and print its summary."""
    from rich.console import Console

    from congruence.report import draw
    from congruence.run import load_run

    # what is no finished run is told before anything is shown
    run = load_run(finished) if isinstance(finished, Path) else finished
    if pictures:
        with shown(progress), working("draw pictures"):
            draw(run)
    Console().print(run.summary(), crop=False)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", type=RunPlace(), required=True, help="The run's folder, or s3://BUCKET/NAME.")
@set_option
@click.option("-v", "--verbose", count=True, help="Show what is done; -vv shows everything.")
@click.option("--progress/--no-progress", default=True, help="Show progress bars.")
@click.option("--pictures/--no-pictures", default=True, help="Draw the figures and the report.")
@click.option(
    "--runner",
    type=click.Choice(["serial", "processes", "ray"]),
    help="Who does the work: this process, several, or a Ray cluster (--set runner.KEY=… for the rest).",
)
@click.option("--force", is_flag=True, help="Run although an SAE doesn't fit its model or hook.")
def command(
    config: Path,
    out: Path | str,
    *,
    changes: tuple[str, ...],
    verbose: int,
    progress: bool,
    pictures: bool,
    runner: str | None,
    force: bool,
) -> None:
    """Compare language models as the YAML file CONFIG says: a and b, or all pairs of models.

    A run that was stopped goes on where it was: what is finished in --out is used as it is.
    """
    log_to_terminal(verbose)
    if runner:
        changes = (f"runner.kind={runner}", *changes)
    with shown(progress):
        with working("start"):
            from congruence.config.changes import load_changed
            from congruence.report import draw
            from congruence.run import compare

            changed = load_changed(config, changes) if changes else config
        run = compare(changed, out=out, progress=progress, force=force, draw=draw if pictures else None)
    finish(run, pictures=False)
    if isinstance(out, str):
        click.echo(f"kept in {out}: congruence report {out} on any machine")
