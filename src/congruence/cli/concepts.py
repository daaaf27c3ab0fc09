"""`congruence concepts`: list, show, build and check keyword lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from congruence.concepts import (
    COLLECTIONS,
    BuildOptions,
    Concept,
    Endpoint,
    KeywordList,
    ask_for_lists,
    build_concepts,
    builtin_concepts,
    check_keywords,
    check_target,
    load_wordnet,
    read_concepts,
    resolve_concept,
    write_concepts,
)
from congruence.errors import ConfigError, InputError


@click.group(name="concepts")
def command() -> None:
    """Keyword lists: those of the package, your own, and new ones."""


@command.command(name="list")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def list_command(files: tuple[Path, ...]) -> None:
    """List the built-in concepts of both collections, or those in FILES."""
    concepts = [concept for file in files for concept in read_concepts(file)] or [
        concept for name in COLLECTIONS for concept in builtin_concepts(name).values()
    ]
    table = Table("concept", "keywords", "source", box=None, pad_edge=False)
    for concept in concepts:
        table.add_row(escape(concept.name), str(len(concept)), escape(concept.source))
    Console().print(table)


@command.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--provenance", is_flag=True, help="Also show how the list was made.")
def show(names: tuple[str, ...], provenance: bool) -> None:
    """Show the keywords of NAMES: built-in concepts (Time, son2025:Time), collections, files, or `all`."""
    console = Console()
    for concept in _resolve(names):
        console.print(
            f"[bold]{escape(concept.name)}[/bold] ({len(concept)} keywords; {escape(concept.source)})",
            highlight=False,
        )
        console.print("  " + ", ".join(concept.keywords), highlight=False, markup=False)
        if provenance:
            _print_provenance(console, concept)


@command.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="File to write: .json, .yaml or .txt."
)
@click.option(
    "--concept", "names", multiple=True, help="Concept to ask a language model for; may be repeated."
)
@click.option(
    "--from", "files", multiple=True, type=click.Path(path_type=Path),
    help="File with one list of each concept; give one for each independent list.",
)  # fmt: skip
@click.option("--model", help="Name of the language model at the endpoint.")
@click.option("--base-url", help="OpenAI-compatible endpoint, e.g. http://localhost:8000/v1.")
@click.option(
    "--lists", type=click.IntRange(1, 100), default=3, show_default=True, help="Independent lists to ask for."
)
@click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    default=60,
    show_default=True,
    help="Keywords to ask for in each.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 10),
    default=1.0,
    show_default=True,
    help="Sampling temperature.",
)
@click.option(
    "--max-tokens", type=click.IntRange(1, 1_000_000), default=1024, show_default=True, help="Longest reply."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Seed of the first request.",
)
@click.option("--min-lists", type=click.IntRange(1), help="Lists a keyword must stand in; default: all.")
@click.option(
    "--depth",
    type=click.IntRange(0, 20),
    default=1,
    show_default=True,
    help="Steps of WordNet hyponyms to add.",
)
@click.option("--collocations", is_flag=True, help="Also add hyponyms of several words.")
@click.option("--keep-ambiguous", is_flag=True, help="Don't remove keywords with several dominant senses.")
@click.option("--keep-shared", is_flag=True, help="Don't remove keywords that several concepts have.")
@click.option(
    "--wordnet", default="packaged", show_default=True, help="packaged, installed, or WordNet's folder."
)
def build(out: Path, names: tuple[str, ...], files: tuple[Path, ...], **options: Any) -> None:
    """Build concepts from independent keyword lists: intersect, remove what is ambiguous, add hyponyms.

    The lists come from files (--from a.yaml --from b.yaml --from c.yaml) or from a language model
    (--concept Emotions --model NAME --base-url URL), or from both.
    """
    check_target(out)
    lists = _lists_from_files(files)
    for name in names:
        lists.setdefault(name, []).extend(_asked(name, options))
    if not lists:
        raise ConfigError(
            "nothing to build from: give --from FILE (once a list), or --concept NAME --model MODEL"
        )
    concepts = build_concepts(
        lists,
        load_wordnet(options["wordnet"]),
        BuildOptions(
            min_lists=options["min_lists"],
            remove_ambiguous=not options["keep_ambiguous"],
            remove_shared=not options["keep_shared"],
            depth=options["depth"],
            collocations=options["collocations"],
        ),
    )
    write_concepts(out, concepts)
    console = Console()
    for concept in concepts:
        console.print(f"[bold]{escape(concept.name)}[/bold]: {len(concept)} keywords", highlight=False)
        _print_provenance(console, concept)
    console.print(f"written to {out}", highlight=False, markup=False)


@command.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--tokenizer", required=True, help="Model id or folder whose tokenizer to use.")
@click.option("--all", "show_all", is_flag=True, help="Show every keyword, not only those of several tokens.")
def check(names: tuple[str, ...], tokenizer: str, show_all: bool) -> None:
    """Say which keywords of NAMES are one token, with and without a leading space."""
    loaded = _tokenizer(tokenizer)
    summary = Table(
        "concept", "keywords", "one token after a space", "one token without", box=None, pad_edge=False
    )
    details = Table("concept", "keyword", "after a space", "without", box=None, pad_edge=False)
    for concept in _resolve(names):
        rows = check_keywords(concept, loaded)
        spaced, bare = sum(row.one_token_spaced for row in rows), sum(row.one_token_bare for row in rows)
        summary.add_row(escape(concept.name), str(len(rows)), str(spaced), str(bare))
        for row in rows:
            if show_all or not row.one_token_spaced:
                details.add_row(*map(escape, (concept.name, row.keyword, _cut(row.spaced), _cut(row.bare))))
    console = Console()
    if details.row_count:
        console.print(details)
        console.print()
    console.print(summary)
    console.print("Keywords of several tokens are matched by the word that a token lies in.")


def _resolve(names: Sequence[str]) -> list[Concept]:
    return [concept for name in names for concept in resolve_concept(name)]


def _lists_from_files(files: Sequence[Path]) -> dict[str, list[KeywordList]]:
    lists: dict[str, list[KeywordList]] = {}
    for file in files:
        for concept in read_concepts(file):
            lists.setdefault(concept.name, []).append(KeywordList(concept.keywords, str(file)))
    return lists


def _asked(name: str, options: dict[str, Any]) -> list[KeywordList]:
    if options["model"] is None:
        raise ConfigError(f"--model is missing: name the language model to ask for {name!r}")
    endpoint = Endpoint(
        options["model"],
        options["base_url"],
        temperature=options["temperature"],
        max_tokens=options["max_tokens"],
    )
    return ask_for_lists(name, endpoint, lists=options["lists"], count=options["count"], seed=options["seed"])


def _print_provenance(console: Console, concept: Concept) -> None:
    record = concept.provenance
    for entry in record.get("lists", ()):
        console.print(
            f"  from {entry['source']}: {len(entry['keywords'])} keywords", highlight=False, markup=False
        )
    for removal in record.get("removed", ()):
        console.print(f"  removed {removal['keyword']}: {removal['reason']}", highlight=False, markup=False)
    if added := record.get("added"):
        shown = ", ".join(f"{entry['keyword']} (below {entry['parent']})" for entry in added[:20])
        more = f" and {len(added) - 20} more" if len(added) > 20 else ""
        console.print(f"  added {len(added)}: {shown}{more}", highlight=False, markup=False)


def _tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except Exception as error:  # transformers raises many kinds for what it can't read
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"no tokenizer in {name!r} ({reason}): name a model id or folder") from None


def _cut(tokens: Sequence[str]) -> str:
    return "|".join(token.replace(" ", "␣") for token in tokens)
