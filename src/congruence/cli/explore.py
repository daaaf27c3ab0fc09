"""`congruence explore DIR`."""

from pathlib import Path

import click

from congruence.cli.places import RunDir


@click.command()
@click.argument("run_dir", metavar="DIR", type=RunDir())
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port to listen at; 0: a free one.",
)
def command(run_dir: Path, *, port: int) -> None:
    """Look into the finished run in DIR in the browser: cells, pairs with their text, maps.

    Prints an address that holds a token; only browsers of this machine that have it are answered. Nothing in
    DIR is changed. Ctrl-C ends it.
    """
    from congruence.explore import serve

    serve(run_dir, port=port, said=lambda address: click.echo(f"{address}\nCtrl-C ends it."))
