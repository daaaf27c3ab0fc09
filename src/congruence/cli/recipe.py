"""`congruence recipe`: the experiments of both papers, listed, shown, run and audited."""

from pathlib import Path
from typing import Any

import click

from congruence.cli.places import Folder
from congruence.cli.run import log_to_terminal


@click.group()
def command() -> None:
    """The two papers' experiments, and extensions of them, as ready configurations."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def list_(*, as_json: bool) -> None:
    """List every recipe with what it compares, what it shows and what it takes."""
    from congruence.recipes import RECIPES

    recipes = [RECIPES.get(name) for name in RECIPES]
    _print_json(recipes) if as_json else _print_blocks(recipes)


def _print_json(recipes: list[Any]) -> None:
    import json

    for one in recipes:
        head = {name: getattr(one, name) for name in ("name", "title", "paper", "shows", "note")}
        click.echo(json.dumps(head | one.facts | {"parts": list(one.parts)}))


def _print_blocks(recipes: list[Any]) -> None:
    from congruence.recipes import PAPERS

    for one in recipes:
        facts = one.facts
        click.secho(one.name, bold=True)
        click.echo(f"  {one.title}")
        shown = {"shows": f"{PAPERS[one.paper]}: {one.shows}"}
        shown |= {name: facts[name] for name in ("models", "saes", "layers", "tokens")}
        shown["takes"] = f"GPU {facts['gpu']}, disk {facts['disk']}, {facts['time']} (estimates)"
        shown |= {"parts": ", ".join(one.parts)} if one.parts else {}
        shown |= {"note": one.note} if one.note else {}
        for name, value in shown.items():
            click.echo(f"  {name + ':':<8} {value}")
        click.echo()


@command.command()
@click.argument("name")
@click.option("--as-published", is_flag=True, help="With every quirk that the published numbers depend on.")
@click.option("--part", default="", help="One part of a recipe that takes several runs.")
@click.option("--training", is_flag=True, help="The configuration that trains its SAEs instead.")
def show(name: str, *, as_published: bool, part: str, training: bool) -> None:
    """Print a recipe's configuration, as `congruence run` reads it."""
    import yaml

    from congruence.recipes import PAPERS, RECIPES

    recipe = RECIPES.get(name)
    if training:
        click.echo(yaml.safe_dump(recipe.train(part), sort_keys=False), nl=False)
        return
    config = recipe.build(part=part, as_published=as_published)
    lines = [f"{recipe.name}: {recipe.title}", f"{PAPERS[recipe.paper]}: {recipe.shows}"]
    lines += [recipe.note] if recipe.note else []
    lines += [f"parts: {', '.join(recipe.parts)}"] if recipe.parts else []
    for line in lines:
        click.echo(f"# {line}")
    raw = config.model_dump(by_alias=True, mode="json", exclude_unset=True)
    click.echo(yaml.safe_dump(raw, sort_keys=False, allow_unicode=True), nl=False)


def _stand_ins(command: Any) -> Any:
    """The options by which local copies stand in."""
    options = [
        click.option("--a", "a", help="Folder or Hub id in place of model a."),
        click.option("--b", "b", help="Folder or Hub id in place of model b."),
        click.option("--saes-a", help="Folder or Hub id in place of a's SAEs."),
        click.option("--saes-b", help="Folder or Hub id in place of b's SAEs."),
        click.option("--layers-a", help="Layers of a, such as 1-3 or all."),
        click.option("--layers-b", help="Layers of b."),
        click.option("--corpus", help="File or folder in place of the recipe's text."),
        click.option("--documents", type=click.IntRange(1), help="Documents in place of the recipe's."),
        click.option("--max-tokens", type=click.IntRange(2), help="Tokens kept of each document."),
        click.option("--draws", type=click.IntRange(1, 1_000_000), help="Null draws a score."),
        click.option("--force", is_flag=True, help="Run although an SAE doesn't fit its model or hook."),
        click.option("--out", type=Folder(), required=True, help="The recipe's folder."),
        click.option("-v", "--verbose", count=True, help="Show what is done; -vv shows everything."),
        click.option("--progress/--no-progress", default=True, help="Show progress bars."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@command.command()
@click.argument("name")
@_stand_ins
@click.option("--as-published", is_flag=True, help="With every quirk that the published numbers depend on.")
@click.option("--runs", type=click.IntRange(1, 100), default=1, show_default=True,
              help="Repeat on other samples of the text with other seeds: mean and spread.")  # fmt: skip
@click.option("--beside", type=click.Path(path_type=Path),
              help="Finished run that some claims need as well, such as the many-to-1 one.")  # fmt: skip
@click.option("--pictures/--no-pictures", default=True, help="Draw the figures and the report.")
def run(
    name: str, out: Path, *, draws: int | None, force: bool, verbose: int, progress: bool, as_published: bool,
    runs: int, beside: Path | None, pictures: bool, **places: Any,
) -> None:  # fmt: skip
    """Run a recipe and lay its numbers beside the published ones (comparison.md in --out).

    A run that was stopped goes on where it was.
    """
    from congruence.recipes import RECIPES
    from congruence.recipes.running import StandIns, run_recipe
    from congruence.report import draw

    log_to_terminal(verbose)
    finished = run_recipe(
        RECIPES.get(name), out, stand_ins=StandIns(**places), as_published=as_published, draws=draws,
        runs=runs, beside=beside, force=force, progress=progress, draw=draw if pictures else None,
    )  # fmt: skip
    _print_comparison(finished)


def _print_comparison(finished: Any) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from congruence.recipes.running import PAGE

    console = Console()
    comparison = finished.comparison
    if comparison.mark:
        console.print(f"[bold]{escape(comparison.mark)}[/bold]")
    if comparison.claims:
        table = Table(title=f"{comparison.recipe.name}, {comparison.variant}")
        for column in ("claim", "this run", "why", "the published numbers"):
            table.add_column(column, overflow="fold")
        for one in comparison.claims:
            table.add_row(escape(one.name), one.ours.verdict, escape(one.ours.why), one.theirs_in_words)
        console.print(table, crop=False)
    for laid in comparison.tables:
        rank = laid.rank_correlation
        agree = f", rank correlation {rank:.2f}" if laid.has_rank else ""
        gap = laid.cells.difference.abs().mean()
        what = f"{laid.quantity} ({laid.source}): {len(laid.cells)} cells of both"
        line = f"{what}, mean difference {gap:.3g}{agree}"
        console.print(escape(line), highlight=False)
    console.print(f"everything: {finished.folder / PAGE}", highlight=False, soft_wrap=True)


@command.command()
@click.argument("name")
@_stand_ins
@click.option("--part", default="", help="One part of a recipe that takes several runs; default: the first.")
def audit(
    name: str,
    out: Path,
    *,
    draws: int | None,
    force: bool,
    verbose: int,
    progress: bool,
    part: str,
    **places: Any,
) -> None:
    """Say how much each quirk of the published code moves a recipe's result, alone and all together."""
    from congruence.recipes import RECIPES
    from congruence.recipes.running import StandIns, audit_recipe

    log_to_terminal(verbose)

    result = audit_recipe(
        RECIPES.get(name),
        out,
        stand_ins=StandIns(**places),
        draws=draws,
        part=part,
        force=force,
        progress=progress,
    )
    click.echo(result.markdown())
