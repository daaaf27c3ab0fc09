"""Pages of the documentation site that are made from the package: keys, command line, decisions, experiments.

A hook of mkdocs: they are written while the site is built and stand nowhere else.
"""

import inspect
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File

DECISIONS = Path(__file__).parent / "decisions"


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    pages = {
        "reference/keys.md": keys,
        "reference/command-line.md": command_line,
        "decisions/index.md": decisions,
        "papers.md": papers,
    }
    for name, make in pages.items():
        files.append(File.generated(config, name, content=make()))
    return files


def keys() -> str:
    """Every key of a configuration, from the docstrings of its fields."""
    from pydantic_core import PydanticUndefined

    from congruence.config.template import sections
    from congruence.options import attribute_docs

    parts = ["# Every key of a configuration", "", "Made from the package itself; "
             "[configuration](../configuration.md) tells the same as a story."]  # fmt: skip
    for place, section in sections().items():
        parts += ["", f"## {f'`{place}`' if place else 'The file'}", "", _cell(_first(section.__doc__)), ""]
        parts += ["| key | default | meaning |", "|---|---|---|"]
        docs = attribute_docs(section)
        for name, field in section.model_fields.items():
            default = field.get_default(call_default_factory=True)
            shown = "needed" if default is PydanticUndefined else f"`{_plain(default)}`"
            parts.append(f"| `{field.alias or name}` | {_cell(shown)} | {_cell(docs.get(name, ''))} |")
    return "\n".join(parts) + "\n"


def _plain(default: Any) -> str:
    if hasattr(default, "model_dump"):
        return "{}"
    words = {None: "null", True: "true", False: "false"}
    if default is None or isinstance(default, bool):
        return words[default]
    return str(default).replace("'", "")


def _first(doc: str | None) -> str:
    return " ".join((doc or "").split("\n\n")[0].split())


def _cell(text: str) -> str:
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def command_line() -> str:
    """Every command with its options, from click."""
    from congruence.cli.main import COMMANDS, commands

    parts = [
        "# Command line",
        "",
        "`congruence COMMAND --help` says the same; `python -m congruence` is `congruence`.",
    ]
    context = click.Context(commands, info_name="congruence")
    for name in COMMANDS:
        command = commands.get_command(context, name)
        if command is not None:
            parts += _command(command, click.Context(command, info_name=name, parent=context), 2)
    return "\n".join(parts) + "\n"


def _command(command: click.Command, context: click.Context, depth: int) -> list[str]:
    parts = ["", f"{'#' * depth} {context.command_path}", "", "```"]
    parts += [
        command.get_usage(context).removeprefix("Usage: "),
        "```",
        "",
        inspect.cleandoc(command.help or "").replace("\b", ""),
        "",
    ]
    options = [one for one in command.get_params(context) if isinstance(one, click.Option) and not one.hidden]
    rows = [record for one in options if (record := one.get_help_record(context))]
    if rows:
        parts += ["| option | |", "|---|---|"]
        parts += [f"| `{_cell(flags)}` | {_cell(text)} |" for flags, text in rows]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                parts += _command(inner, click.Context(inner, info_name=name, parent=context), depth + 1)
    return parts


def decisions() -> str:
    """All decisions by their first lines."""
    parts = ["# Decisions", "", "Why things are as they are, one page each.", ""]
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ").strip()
        parts.append(f"- [{title}]({path.name})")
    return "\n".join(parts) + "\n"


def papers() -> str:
    """The command for each figure and table of both papers, from the recipes."""
    from congruence.recipes import PAPERS, RECIPES

    parts = [
        "# Figures and tables of the papers", "",
        "One command each; `--as-published` switches on what the published numbers depend on, and "
        "`congruence recipe show NAME` prints the configuration. "
        "[Reproduction](reproduction.md) has what was run here.",
    ]  # fmt: skip
    for paper, title in PAPERS.items():
        found = [RECIPES.get(name) for name in RECIPES if RECIPES.get(name).paper == paper]
        parts += ["", f"## {title[0].upper()}{title[1:]}", "", "| what | models | command |", "|---|---|---|"]
        parts += [
            f"| {_cell(r.shows)} | {_cell(r.title)} | `congruence recipe run {r.name} --out DIR` |"
            for r in found
        ]
    return "\n".join(parts) + "\n"
