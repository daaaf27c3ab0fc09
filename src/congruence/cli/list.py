"""`congruence list KIND`: what a configuration can name, plugins included."""

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any

import click


@dataclass(frozen=True)
class Listed:
    """One line of a listing.

    Attributes:
        name: as a configuration names it.
        options: name -> default as written; "" where it must be given.
        line: what it is.
    """

    name: str
    options: dict[str, str]
    line: str


def measures() -> list[Listed]:
    """Measures of likeness of paired decoder rows."""
    from congruence.metrics import METRICS

    return [Listed(n, _options(METRICS.get(n).function), METRICS.get(n).summary) for n in METRICS]


def matchers() -> list[Listed]:
    """Ways of pairing features."""
    from congruence.matching import MATCHERS

    of_all = ("measure", "min_cofirings")  # those of every method, which `pairing` has once
    return [Listed(n, _options(MATCHERS.get(n), but=of_all), _summary(MATCHERS.get(n))) for n in MATCHERS]


def filters() -> list[Listed]:
    """Filters of pairs."""
    from congruence.filters import FILTERS

    return [Listed(n, _options(FILTERS.get(n)), _summary(FILTERS.get(n))) for n in FILTERS]


def nulls() -> list[Listed]:
    """What a score can be tested against."""
    from congruence.nulls import NULLS

    return [
        Listed(n, _fields(NULLS.get(n)), f"If only chance is at work: {NULLS.get(n).hypothesis}.")
        for n in NULLS
    ]


def controls() -> list[Listed]:
    """Further grids beside the real one."""
    from congruence.sides.variants import REAL, VARIANTS

    return [Listed(n, {}, _summary(VARIANTS.get(n))) for n in VARIANTS if n != REAL]


def quirks() -> list[Listed]:
    """Ways of the papers' code that a configuration can follow."""
    from congruence.config import QUIRKS

    return [Listed(name, {}, f"{quirk.meaning}; {quirk.where}.") for name, quirk in QUIRKS.items()]


def formats() -> list[Listed]:
    """File formats of SAEs, which are recognised by themselves."""
    from congruence.saes.formats import FORMATS

    return [
        Listed(n, {}, f"{_summary(FORMATS.get(n))} Looks for {FORMATS.get(n).looks_for}.") for n in FORMATS
    ]


def recipes() -> list[Listed]:
    """The papers' experiments; `congruence recipe` runs them."""
    from congruence.recipes import RECIPES

    return [
        Listed(name, {}, f"{RECIPES.get(name).title}. Shows: {RECIPES.get(name).shows}.") for name in RECIPES
    ]


KINDS: dict[str, Callable[[], list[Listed]]] = {
    table.__name__: table
    for table in (measures, matchers, filters, nulls, controls, quirks, formats, recipes)
}


@click.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def command(kind: str, as_json: bool) -> None:
    """List the measures, matchers, filters, nulls, controls, quirks, SAE formats or recipes that there are.

    Those of installed plugins are among them.
    """
    listed = KINDS[kind]()
    _print_json(listed) if as_json else _print_table(listed)


def _print_json(listed: list[Listed]) -> None:
    import json

    for entry in listed:
        click.echo(json.dumps(vars(entry)))


def _print_table(listed: list[Listed]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for column in ("name", "options", "what"):
        table.add_column(column, overflow="fold")
    for entry in listed:
        options = ", ".join(
            f"{name}={default}" if default else name for name, default in entry.options.items()
        )
        table.add_row(entry.name, escape(options), escape(entry.line))
    Console().print(table)


def _summary(thing: Any) -> str:
    """The first paragraph of a docstring on one line, without Sphinx' roles."""
    paragraph = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return " ".join(re.sub(r":\w+:(?=`)", "", paragraph).split())


def _fields(cls: Any) -> dict[str, str]:
    """The options of a null: fields of its class, and their defaults."""
    return {
        field.name: "" if field.default is MISSING else repr(field.default)
        for field in fields(cls)
        if field.init
    }


def _options(function: Callable[..., Any], *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Keyword-only parameters and their defaults."""
    return {
        option.name: "" if option.default is option.empty else repr(option.default)
        for option in inspect.signature(function).parameters.values()
        if option.kind is option.KEYWORD_ONLY and option.name not in but
    }
