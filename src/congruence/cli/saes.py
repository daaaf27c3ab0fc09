"""`congruence saes PATH`: what SAEs a folder, Hub repository or SAELens release holds."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from congruence.saes import SaeEntry

_COLUMNS = ("sae_id", "format", "layer", "hook_name", "d_in", "d_sae", "architecture")


@click.command("saes")
@click.argument("path")
@click.option("--layer", type=click.IntRange(0), help="Only the SAEs of this layer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def command(path: str, layer: int | None, as_json: bool) -> None:
    """List the SAEs in PATH: a folder, a Hub repository 'owner/name', or a SAELens release.

    Each line's sae_id is what `load_sae(PATH, sae_id=…)` and a run's config take.
    """
    from congruence.errors import SaeError
    from congruence.saes import list_saes

    entries = [entry for entry in list_saes(path) if layer is None or entry.layer == layer]
    if not entries:
        raise SaeError(f"{path} holds no SAE of layer {layer}: leave --layer out to see them all")
    _print_json(entries) if as_json else _print_table(path, entries)


def _print_json(entries: "list[SaeEntry]") -> None:
    import json

    for entry in entries:
        click.echo(json.dumps({name: getattr(entry, name) for name in ("path", *_COLUMNS)}))


def _print_table(path: str, entries: "list[SaeEntry]") -> None:
    """One row an SAE; what all of them share stands above the table, what nobody knows is left out."""
    from rich.console import Console
    from rich.table import Table

    shared = {
        name: values.pop() for name in _COLUMNS[1:] if len(values := {getattr(e, name) for e in entries}) == 1
    }
    known = ", ".join(f"{name} {_cell(value)}" for name, value in shared.items() if value is not None)
    count = f"{len(entries)} SAE{'s' * (len(entries) != 1)} in {path}"
    table = Table()
    columns = [name for name in _COLUMNS if name not in shared]
    for name in columns:
        table.add_column(
            name, justify="right" if name in ("layer", "d_in", "d_sae") else "left", overflow="fold"
        )
    for entry in entries:
        table.add_row(*(_cell(getattr(entry, name)) for name in columns))
    console = Console()
    console.print(f"{count}: {known}" if known else count, highlight=False, soft_wrap=True)
    console.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "?"
    return f"{value:,}" if isinstance(value, int) else str(value)
