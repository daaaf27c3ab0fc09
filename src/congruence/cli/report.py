"""`congruence report DIR`."""

from pathlib import Path

import click

from congruence.cli.places import RunDir


@click.command()
@click.argument("run_dir", metavar="DIR", type=RunDir())
def command(run_dir: Path) -> None:
    """Redraw the figures and report.html of the finished run in DIR, and print its summary.

    Nothing is computed anew: only run.json and the Parquet files are read.
    """
    from congruence.cli.run import finish

    finish(run_dir)
