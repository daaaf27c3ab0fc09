"""`congruence tables DIR`."""

from pathlib import Path

import click

from congruence.cli.places import Folder, RunDir


@click.command()
@click.argument("run_dir", metavar="DIR", type=RunDir())
@click.option(
    "--format", "form", type=click.Choice(["markdown", "latex", "csv"]), default="markdown", show_default=True
)
@click.option("--out", type=Folder(), help="Folder, a file for each table; default: print.")
@click.option("--only", multiple=True, metavar="NAME", help="Just this table; may be given several times.")
def command(*, run_dir: Path, form: str, out: Path | None, only: tuple[str, ...]) -> None:
    """Write the tables of the finished run in DIR as papers print them.

    LaTeX needs the package booktabs; captions explain the stars.
    """
    from congruence.errors import InputError, StorageError, unknown_name
    from congruence.report.tables import FORMATS, paper_tables, written
    from congruence.run.results import load_run
    from congruence.storage import write_text

    tables = paper_tables(load_run(run_dir))
    names = [table.name for table in tables]
    for name in only:
        if name not in names:
            raise InputError(unknown_name("table", name, names))
    chosen = [table for table in tables if not only or table.name in only]
    if out is None:
        click.echo("\n".join(written(table, form) for table in chosen), nl=False)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for table in chosen:
            write_text(out / f"{table.name}.{FORMATS[form]}", written(table, form))
    except OSError as error:
        raise StorageError(f"--out {out} can't be written: {error.strerror or error}") from error
    click.echo(f"{len(chosen)} tables: {out}")
