"""`congruence doctor CONFIG`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from congruence.doctor import Record

_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


@click.command("doctor")
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--sample-tokens",
    type=click.IntRange(2, 10_000_000),
    default=4096,
    show_default=True,
    help="Tokens to look at.",
)
@click.option("-v", "--verbose", count=True, help="Show what is done; -vv shows everything.")
@click.option("--progress/--no-progress", default=True, help="Show progress bars.")
def command(config: Path, *, sample_tokens: int, verbose: int, progress: bool) -> None:
    """Check that every SAE named in the YAML file CONFIG fits its model and hook.

    Nothing is written. The exit code is 0 if all is well or worth a warning, 2 if there are errors.
    """
    from rich.console import Console

    from congruence.cli.run import log_to_terminal
    from congruence.doctor import diagnose, errors
    from congruence.progress import shown, working

    log_to_terminal(verbose)
    with shown(progress), working("examine"):
        records = diagnose(config, sample_tokens=sample_tokens)
    console = Console()
    if fits := [record for record in records if "fvu" in record.figures]:
        console.print(_fits(fits))
    console.print(_findings(records))
    if found := errors(records):
        count = f"{len(found)} error{'s' * (len(found) > 1)}"
        click.echo(f"error: {count}, the first: {found[0].line}", err=True)
        sys.exit(2)
    warnings = sum(record.status == "warning" for record in records)
    click.echo(f"no errors, {warnings} warning{'s' * (warnings != 1)}")


def _fits(records: "list[Record]") -> "Table":
    """One row an SAE: its figures where it is fed, and its FVU one block before and after."""
    from rich.table import Table

    table = Table(title="SAEs on a sample of the corpus")
    table.add_column("side")
    table.add_column("layer", justify="right")
    table.add_column("fed")
    for name in ("FVU before", "FVU", "FVU after", "cosine", "norm ratio", "L0", "dead"):
        table.add_column(name, justify="right")
    table.add_column("status")
    for record in records:
        f = record.figures
        table.add_row(
            record.side,
            f"{record.layer}{' (seed)' if record.seed == 'other_seed' else ''}",
            record.hook_name,
            _number(f.get("fvu_before")),
            f"[bold]{_number(f['fvu'])}[/bold]",
            _number(f.get("fvu_after")),
            f"{f['cosine']:.3f}",
            f"{f['norm_ratio']:.2f}",
            f"{f['l0']:.3g}",
            f"{100 * f['dead_share']:.0f} %",
            _status(record),
        )
    return table


def _findings(records: "list[Record]") -> "Table":
    """Everything that isn't a good fit: what was found and what to do."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Findings")
    for name in ("check", "where", "status", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for record in records:
        if record.check != "fit" or record.status != "ok":
            table.add_row(
                record.check, record.where, _status(record), escape(record.message), escape(record.remedy)
            )
    return table


def _status(record: "Record") -> str:
    return f"[{_STYLES[record.status]}]{record.status}[/]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if value < 100 else f"{value:.0f}"
