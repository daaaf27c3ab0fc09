"""`congruence demo`: the main job on the embedded models."""

from pathlib import Path

import click

from congruence.cli.places import Folder
from congruence.cli.run import finish, log_to_terminal, set_option
from congruence.progress import shown, working


@click.command()
@click.option("--out", type=Folder(), default=Path("congruence-demo"), show_default=True)
@click.option(
    "--draws", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Null draws a score."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--concepts", is_flag=True, help="Compare concept subspaces too: about a minute more.")
@set_option
@click.option("-v", "--verbose", count=True, help="Show what is done; -vv shows everything.")
@click.option("--progress/--no-progress", default=True, help="Show progress bars.")
def command(
    out: Path,
    *,
    draws: int,
    seed: int,
    concepts: bool,
    changes: tuple[str, ...],
    verbose: int,
    progress: bool,
) -> None:
    """Compare the two embedded language models over all layer pairs: a first result in a minute."""
    log_to_terminal(verbose)
    with shown(progress):
        with working("start"):
            from congruence.config.changes import changed
            from congruence.recipes import demo
            from congruence.report import draw
            from congruence.run import compare

            config = changed(demo(draws=draws, seed=seed, concepts=concepts), changes, "the demo")
        run = compare(config, out=out, progress=progress, draw=draw)
    finish(run, pictures=False)
