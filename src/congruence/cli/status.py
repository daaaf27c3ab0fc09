"""`congruence status DIR`."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def command(folder: Path, *, as_json: bool) -> None:
    """Say how far the run in DIR is: what is done, running or failed, and the time left.

    It is read from the folder alone, so it works from any machine that sees it, whoever runs there.
    """
    from congruence.run.status import in_lines, status_of

    record = status_of(folder)
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    for line in in_lines(folder, record):
        click.echo(line)
