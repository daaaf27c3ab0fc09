"""`congruence truth`: what the library recovers of worlds whose truth is known."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from congruence.cli.places import Folder

if TYPE_CHECKING:
    from congruence.synthetic.study import Study


@click.command()
@click.option("--quick", is_flag=True, help="Few and small worlds: a minute instead of ten.")
@click.option("--out", type=Folder(), default=Path("congruence-truth"), show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all worlds.")
@click.option("--draws", type=click.IntRange(min=19), help="Null draws a test; default: 99, quick 19.")
@click.option("-v", "--verbose", count=True, help="Show what is done; -vv shows everything.")
@click.option("--progress/--no-progress", default=True, help="Show progress bars.")
def command(*, quick: bool, out: Path, seed: int, draws: int | None, verbose: int, progress: bool) -> None:
    """Plant shared features in made-up models; see what matchers, filters, measures and nulls find of them.

    Writes a page with tables and curves to OUT/truth.md. A study that was stopped goes on where it was.
    """
    from congruence.cli.run import log_to_terminal
    from congruence.progress import shown
    from congruence.synthetic.study import Size, run_study

    log_to_terminal(verbose)
    size = Size.of("quick" if quick else "full", seed=seed, draws=draws)
    with shown(progress) as bars:
        study = run_study(size, out, progress=bars)
    _show(study)


def _show(study: "Study") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="Half of the features are shared: pairs that are right / shared features found, r > 0.1"
    )
    matchers = study.summary[(study.summary.chapter == "matchers") & (study.summary.setting == "r > 0.1")]
    worlds = list(dict.fromkeys(matchers.world))
    table.add_column("matcher")
    for world in worlds:
        table.add_column(world, justify="right")
    for method, rows in matchers.groupby("subject", sort=False):
        means = rows.set_index(["world", "quantity"])["mean"]
        cells = [f"{means[world, 'precision']:.0%} / {means[world, 'recall']:.0%}" for world in worlds]
        table.add_row(str(method), *cells)
    console = Console()
    console.print(table)
    found = f", {study.found} found finished" if study.found else ""
    console.print(f"{study.computed} worlds measured{found}: {study.path / 'truth.md'}", soft_wrap=True)
