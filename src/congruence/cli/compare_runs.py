"""`congruence compare-runs DIR DIR…`, also `congruence diff`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from congruence.cli.places import RunDir

if TYPE_CHECKING:
    from congruence.run.side_by_side import RunComparison


@click.command()
@click.argument("run_dirs", metavar="DIR DIR…", nargs=-1, required=True, type=RunDir())
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every layer pair as CSV.")
def command(*, run_dirs: tuple[Path, ...], as_json: bool, as_csv: bool) -> None:
    """Put finished runs side by side: mean and spread over runs, and what differs beyond chance.

    The first run is what the others are held against: before and after, or Pearson beside cosine and
    Euclidean pairing. The answer says which test was used and what it can't tell.
    """
    from congruence.errors import InputError
    from congruence.run.side_by_side import compare_runs

    if as_json and as_csv:
        raise InputError("--json and --csv were both given: choose one")
    found = compare_runs(*run_dirs)
    if as_json:
        tables = ("settings", "measures", "cells", "differences")
        told = {name: json.loads(getattr(found, name).to_json(orient="records")) for name in tables}
        click.echo(json.dumps({"runs": found.runs, **told, "told": found.sentences()}, indent=1))
    elif as_csv:
        click.echo(found.cells.to_csv(index=False), nl=False)
    else:
        _show(found)


def _show(found: "RunComparison") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from congruence.wording import format_score

    console = Console()
    for sentence in found.sentences():
        console.print(sentence, markup=False, highlight=False)
    if len(found.settings):
        console.print("\nSettings that differ", style="bold")
        for row in found.settings.itertuples(index=False):
            values = "; ".join(
                f"{run}: {_cut(value)}" for run, value in zip(found.runs, row[1:], strict=True)
            )
            console.print(f"  {row[0]}  {values}", markup=False, highlight=False, soft_wrap=True)
    table = Table(title="\nMean score over the layer pairs that all runs have", title_justify="left")
    for head in ("concept", "measure", "null", "layer pairs", *found.runs, "mean", "std"):
        table.add_column(escape(head), justify="left" if head in ("concept", "measure", "null") else "right")
    for row in found.measures.to_dict("records"):
        numbers = [format_score(float(row[name])) for name in (*found.runs, "mean", "std")]
        named = [escape(str(row[name])) for name in ("concept", "measure", "null", "layer_pairs")]
        table.add_row(*named, *numbers)
    console.print(table)
    beyond = found.beyond_chance
    if len(beyond):
        table = Table(title="Largest differences beyond chance", title_justify="left")
        for head in ("run", "concept", "measure", "layers", "difference", "q", "test"):
            table.add_column(head)
        order = beyond.difference.abs().sort_values(ascending=False, kind="stable").index[:10]
        for _, row in beyond.loc[order].iterrows():
            layers, change = f"{row.layer_a}-{row.layer_b}", f"{row.difference:+.3f}"
            named = (escape(str(row[name])) for name in ("run", "concept", "measure"))
            table.add_row(*named, layers, change, f"{row.q:.3g}", row.test)
        console.print(table)


def _cut(value: str) -> str:
    return value if len(value) <= 60 else value[:59] + "…"
