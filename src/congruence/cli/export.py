"""`congruence export DIR --to …`."""

from pathlib import Path

import click

from congruence.cli.places import Folder, RunDir


@click.command()
@click.argument("run_dir", metavar="DIR", type=RunDir())
@click.option("--to", required=True, type=click.Choice(["parquet", "embedding-atlas", "neuronpedia"]))
@click.option("--out", required=True, type=Folder(), help="A folder outside the run.")
@click.option(
    "--layers", multiple=True, metavar="A,B", help="Just this layer pair; may be given several times."
)
@click.option(
    "--source-a", metavar="MODEL/SOURCE", help="Neuronpedia's name of a's SAEs, {layer} for the layer."
)
@click.option("--source-b", metavar="MODEL/SOURCE", help="The same of b.")
def command(
    *, run_dir: Path, to: str, out: Path, layers: tuple[str, ...], source_a: str | None, source_b: str | None
) -> None:
    """Write the tables of the finished run in DIR for other programs.

    embedding-atlas gets a row for each matched feature with x, y, text, neighbours, r, margin and verdict.
    """
    from congruence.run.export import export

    sources = {side: name for side, name in (("a", source_a), ("b", source_b)) if name}
    found = export(run_dir, to, out, layers=[_pair(text) for text in layers], neuronpedia=sources)
    for note in found.notes:
        click.echo(note)
    for path in found.paths:
        click.echo(f"wrote {path}")


def _pair(text: str) -> tuple[int, int]:
    from congruence.errors import InputError, quoted

    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--layers {quoted(text)} isn't a layer pair: give two numbers, such as 3,4")
    return int(parts[0]), int(parts[1])
