"""`congruence status DIR`."""

import json

import click


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def command(folder: str, *, as_json: bool) -> None:
    """Say how far the run in DIR is: what is done, running or failed, and the time left.

    It is read from the folder (or s3://BUCKET/NAME) alone, so it works from any machine, whoever runs there.
    """
    from congruence.run.status import in_lines, status_of

    record = status_of(folder)
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    for line in in_lines(folder, record):
        click.echo(line)
