"""`congruence saes PATH`: the SAEs of a folder, Hub repository or SAELens release, and how well they fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from congruence.doctor import Record
    from congruence.saes import SaeEntry

_FACTS = ("sae_id", "layer", "hook_name", "d_in", "d_sae", "l0", "architecture", "format", "model")
_TITLES = {"hook_name": "hook", "d_sae": "width", "l0": "L0", "format": "reader"}
_NUMBERS = ("layer", "d_in", "d_sae", "l0")
_WIDE = 160
"""Columns of a table that goes to a file or another program."""
_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


@click.command("saes")
@click.argument("path")
@click.option("--layer", type=click.IntRange(0), help="Only the SAEs of this layer.")
@click.option("--hook", help="Only those that read at this kind of hook, such as mlp_out, or at this path.")
@click.option("--sae-id", help="Only those whose id this names; {layer} and wildcards may stand in it.")
@click.option("--check", is_flag=True, help="Measure how well each SAE fits its model, on a little text.")
@click.option(
    "--model",
    multiple=True,
    help="Of --check: folder or Hub id of the model; default: the one the SAEs name. Twice for a crosscoder "
    "of two models, in its order.",
)
@click.option("--text", type=click.Path(path_type=Path), help="Of --check: text to measure on.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def command(
    path: str,
    layer: int | None,
    *,
    hook: str | None,
    sae_id: str | None,
    check: bool,
    model: tuple[str, ...],
    text: Path | None,
    as_json: bool,
) -> None:
    """List the SAEs in PATH: a folder, a Hub repository 'owner/name', or a SAELens release.

    Each line's sae_id is what a run's configuration takes beside `saes:`; what can't be read stands in the
    list with the reason. An id or a pattern with {layer} may follow PATH.
    """
    from congruence.errors import ConfigError

    if not check and (model or text):
        raise ConfigError(f"{'--model' if model else '--text'} goes with --check: add --check")
    entries = _chosen(path, layer, hook, sae_id)
    checked = _checked(entries, model, text) if check else {}
    if as_json:
        _print_json(entries, checked)
    else:
        _print_table(path, entries, checked)


def _chosen(path: str, layer: int | None, hook: str | None, sae_id: str | None) -> "list[SaeEntry]":
    from congruence.errors import SaeError
    from congruence.saes import Catalogue
    from congruence.saes.choice import in_words
    from congruence.saes.ids import some

    everything = Catalogue(path)
    entries = everything.entries if sae_id is None else everything.named(sae_id)
    asked = [f"by the name {sae_id!r}"] if sae_id else []
    if layer is not None:
        entries = [entry for entry in entries if entry.layer == layer]
        asked.append(f"of layer {layer}")
    if hook is not None:
        kinds = {id(entry): in_words(hook, entry.layer or 0) for entry in entries}
        entries = [
            entry
            for entry in entries
            if kinds[id(entry)] in (entry.hook_name, entry.hook_point and entry.hook_point.kind)
        ]
        asked.append(f"at {hook}")
    if not entries:
        there = some(entry.sae_id for entry in everything.entries)
        raise SaeError(f"{path} holds no SAE {' '.join(asked)}: it holds {there}")
    return entries


def _checked(entries: "list[SaeEntry]", model: tuple[str, ...], text: Path | None) -> "dict[str, Record]":
    from congruence.doctor.fits import check_saes

    return check_saes([entry for entry in entries if not entry.problem], model=model, text=text)


def _print_json(entries: "list[SaeEntry]", checked: "Mapping[str, Record]") -> None:
    import json

    for entry in entries:
        line: dict[str, Any] = {name: getattr(entry, name) for name in ("path", *_FACTS)}
        line |= {"problem": entry.problem, "config": "" if entry.problem else _config_line(entry)}
        if (record := checked.get(entry.sae_id)) is not None:
            line |= {"status": record.status, "found": record.message, "remedy": record.remedy}
            figures = {name: record.figures.get(name) for name in ("fvu", "l0", "cosine", "dead_share")}
            line |= {f"measured_{name}": value for name, value in figures.items()}
        click.echo(json.dumps(line, allow_nan=False, default=str))


def _print_table(path: str, entries: "list[SaeEntry]", checked: "Mapping[str, Record]") -> None:
    """One row an SAE; what all of them share stands above the table, what nobody knows is left out."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    readable = [entry for entry in entries if not entry.problem]
    shared = {
        name: values.pop()
        for name in _FACTS[1:]
        if len(values := {getattr(e, name) for e in readable}) == 1 and len(readable) > 1
    }
    if len(readable) < len(entries):
        shared.pop("format", None)
    known = ", ".join(
        f"{_TITLES.get(name, name)} {_cell(value)}" for name, value in shared.items() if value is not None
    )
    count = f"{len(entries)} SAE{'s' * (len(entries) != 1)} in {path}"
    columns = [name for name in _FACTS if name not in shared and name != "d_in"]
    table = Table()
    for name in columns:
        table.add_column(
            _TITLES.get(name, name), justify="right" if name in _NUMBERS else "left", overflow="fold"
        )
    for name in ("FVU", "measured L0", "fit") if checked else ():
        table.add_column(name, justify="left" if name == "fit" else "right", overflow="fold")
    for entry in entries:
        cells = [escape(_cell(_shown(entry, name))) for name in columns]
        fit = _fit(checked.get(entry.sae_id)) if checked and not entry.problem else ()
        table.add_row(*cells, *fit, style="red" if entry.problem else None)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print(f"{count}: {known}" if known else count, highlight=False, soft_wrap=True, markup=False)
    console.print(table)
    for entry in entries:
        if entry.problem:
            console.print(f"can't be read: {entry.problem}", style="red", soft_wrap=True, markup=False)
    if readable:
        console.print(
            "In a configuration:", *_config_lines(readable), sep="\n  ", soft_wrap=True, markup=False
        )


def _fit(record: "Record | None") -> tuple[str, str, str]:
    from rich.markup import escape

    if record is None:
        return "", "", "not checked: where it reads isn't known"
    fvu, l0 = record.figures.get("fvu"), record.figures.get("l0")
    told = record.message if not record.remedy else f"{record.message}: {record.remedy}"
    status = f"[{_STYLES[record.status]}]{record.status}[/]"
    return (
        "" if fvu is None else f"{fvu:.3f}",
        "" if l0 is None else f"{l0:.3g}",
        status if record.status == "ok" else f"{status} {escape(told)}",
    )


def _config_lines(entries: "list[SaeEntry]") -> list[str]:
    """What names these SAEs in a side's section: one line where a folder says all, else one for each."""
    from congruence.saes.choice import lines_for_all

    entries = [entry.by_itself() for entry in entries]
    return lines_for_all(entries) or list(dict.fromkeys(_config_line(entry) for entry in entries))


def _config_line(entry: "SaeEntry") -> str:
    from congruence.saes.choice import line_for

    return line_for(entry.by_itself())


def _shown(entry: "SaeEntry", name: str) -> object:
    """A fact as the table has it: hooks by their kind, unless the layer beside them is another."""
    if name == "hook_name" and entry.hook_point is not None and entry.own_layer is None:
        return entry.hook_point.kind
    if name == "format" and entry.problem:
        return "can't be read"
    return getattr(entry, name)


def _cell(value: object) -> str:
    if value is None:
        return "?"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
