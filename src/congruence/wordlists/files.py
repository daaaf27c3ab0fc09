"""Concept lists in files: those of the package, and users' own as JSON, YAML or plain text."""

import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from congruence.concepts.keywords import Concept, make_concept
from congruence.errors import ConfigError, InputError, quoted, unknown_name
from congruence.storage import check_header, header, write_json, write_text
from congruence.strict_files import parse_strict, read_text

FORMAT_VERSION = 1
ENDINGS = (".json", ".yaml", ".yml", ".txt")
COLLECTIONS = ("lan2024", "son2025")
"""Lists that travel with the package: those of Lan et al. 2024, and eight built as Son et al. 2025 do."""


@functools.cache
def builtin_concepts(collection: str = "lan2024") -> Mapping[str, Concept]:
    """Eight lists by name: those of Lan et al. 2024 (arXiv 2410.06981), table 4, or another collection.

    >>> list(builtin_concepts())[:3]
    ['Time', 'Calendar', 'People/Roles']
    >>> list(builtin_concepts("son2025")) == list(builtin_concepts())
    True

    Raises:
        ConfigError: there is no such collection.
    """
    if collection not in COLLECTIONS:
        raise ConfigError(unknown_name("collection of concepts", collection, COLLECTIONS))
    file = f"{collection}.json"
    text = resources.files("congruence").joinpath(f"assets/concepts/{file}").read_text(encoding="utf-8")
    return {concept.name: concept for concept in _from_mapping(json.loads(text), file)}


def get_concept(name: str) -> Concept:
    """A built-in concept by name, whatever its case: "Time", or "son2025:Time" for another collection's.

    Raises:
        ConfigError: there is none of that name.
    """
    collection, colon, rest = name.partition(":")
    known = builtin_concepts()
    if colon and collection.casefold() in COLLECTIONS:
        known, name = builtin_concepts(collection.casefold()), rest.strip()
    by_name = {concept.name.casefold(): concept for concept in known.values()}
    if name.casefold() not in by_name:
        collections = ", ".join(COLLECTIONS)
        raise ConfigError(
            f"{unknown_name('concept', name, known)}; or name a collection ({collections}) or a file of "
            "keywords"
        )
    return by_name[name.casefold()]


def read_concepts(path: str | Path) -> list[Concept]:
    """Concepts from a .json, .yaml, .yml or .txt file.

    JSON and YAML hold ``{name: [keywords]}``, a list of ``{name, keywords, source, version}``, or what
    ``congruence concepts build`` writes. Text holds one keyword a line ("#" starts a comment); a line
    ``[Name]`` starts a concept, and keywords before the first one belong to a concept named as the file.

    Raises:
        InputError: the file is missing, of another kind, not what its name says, or holds no concept.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{quoted(str(path))} must end in {', '.join(ENDINGS)} to be read as concepts")
    text = read_text(path, quoted(str(path), 200).strip("'"), InputError, remedy="name a file of keywords")
    try:
        if path.suffix.lower() == ".txt":
            concepts = _from_text(text, path)
        else:
            is_json = path.suffix.lower() == ".json"
            concepts = _from_mapping(parse_strict(text, str(path), InputError, is_json=is_json), str(path))
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from None
    if not concepts:
        raise InputError(
            f"{path} holds no concept: write {{name: [keywords]}}, or one keyword a line in a .txt"
        )
    _check_names(concepts, path)
    return concepts


def write_concepts(path: str | Path, concepts: Sequence[Concept]) -> None:
    """Write concepts with their sources and provenance, as JSON, YAML or plain text by the file's ending."""
    path = check_target(path)
    if path.suffix.lower() == ".txt":
        lines = [line for c in concepts for line in (f"[{c.name}]", f"# {c.source}", *c.keywords, "")]
        write_text(path, "\n".join(lines))
        return
    record = {**header("concepts", FORMAT_VERSION), "concepts": [_plain(concept) for concept in concepts]}
    if path.suffix.lower() in (".yaml", ".yml"):
        import yaml

        write_text(path, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))
    else:
        write_json(path, record)


def check_target(path: str | Path) -> Path:
    """Where concepts are to be written, if such a file can be read again.

    Raises:
        InputError: its ending is another, or it is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{quoted(str(path))} can't be written: end it in {', '.join(ENDINGS)}")
    if path.is_dir():
        raise InputError(f"{quoted(str(path))} is a folder: name a file in it")
    return path


def resolve_concept(name_or_path: str) -> list[Concept]:
    """A built-in concept by name, ``all`` of them (the first paper's), a collection, or a file's concepts.

    Raises:
        ConfigError: neither a built-in name nor a file that can be read.
    """
    if name_or_path == "all":
        return list(builtin_concepts().values())
    if name_or_path.casefold() in COLLECTIONS:
        return list(builtin_concepts(name_or_path.casefold()).values())
    if Path(name_or_path).suffix.lower() in ENDINGS:
        return read_concepts(name_or_path)
    return [get_concept(name_or_path)]


def _plain(concept: Concept) -> dict[str, Any]:
    record = {"name": concept.name, "source": concept.source, "version": concept.version}
    return {**record, "keywords": list(concept.keywords), "provenance": dict(concept.provenance)}


def _from_mapping(record: Any, where: str) -> list[Concept]:
    if isinstance(record, Mapping) and "kind" in record:
        check_header(record, "concepts", FORMAT_VERSION, Path(where))
    if isinstance(record, Mapping) and "concepts" in record:
        shared = {key: record[key] for key in ("source", "version") if key in record}
        return _from_entries(record["concepts"], {"source": where, **shared})
    return _from_entries(record, {"source": where})


def _from_entries(entries: Any, shared: Mapping[str, Any]) -> list[Concept]:
    if isinstance(entries, Mapping):
        return [make_concept(name, keywords, **shared) for name, keywords in entries.items()]
    if isinstance(entries, list) and all(isinstance(entry, Mapping) for entry in entries):
        return [_from_entry({**shared, **entry}) for entry in entries]
    raise InputError(f"{shared['source']} must hold {{name: [keywords]}}, not {quoted(entries)}")


def _from_entry(entry: dict[str, Any]) -> Concept:
    known = {"name", "keywords", "source", "version", "provenance"}
    for key in sorted(map(str, entry.keys() - known)):
        raise InputError(unknown_name("key of a concept", key, known))
    if not {"name", "keywords"} <= entry.keys():
        raise InputError(f"{entry['source']} has a concept without name or keywords: it has {sorted(entry)}")
    if not isinstance(entry["source"], str):
        raise InputError(
            f"source of concept {quoted(entry['name'])} is {quoted(entry['source'])}: write text"
        )
    _check_provenance(entry)
    version = str(entry.pop("version", "1"))
    return make_concept(entry.pop("name"), entry.pop("keywords"), version=version, **entry)


def _check_provenance(entry: Mapping[str, Any]) -> None:
    """Refuse a record of how a list was made that no `concepts build` writes."""
    record = entry.get("provenance", {})
    steps = {
        "lists": ("source", "keywords"),
        "removed": ("keyword", "reason"),
        "added": ("keyword", "parent"),
    }
    good = isinstance(record, Mapping) and all(
        isinstance(parts := record.get(step, []), list)
        and all(isinstance(part, Mapping) and part.keys() >= set(keys) for part in parts)
        for step, keys in steps.items()
    )
    if not good or not all(isinstance(part["keywords"], list) for part in record.get("lists", [])):
        raise InputError(
            f"provenance of concept {quoted(entry['name'])} in {entry['source']} isn't what `concepts build` "
            "writes: remove it"
        )


def _from_text(text: str, path: Path) -> list[Concept]:
    groups: dict[str, list[str]] = {}
    name = path.stem
    for line in (raw.split("#", 1)[0].strip() for raw in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            name = line[1:-1].strip()
            if name in groups:
                raise InputError(f"{path} has the line [{name}] twice: leave one out")
        elif line:
            groups.setdefault(name, []).append(line)
    return [make_concept(name, keywords, source=str(path)) for name, keywords in groups.items()]


def _check_names(concepts: Sequence[Concept], path: Path) -> None:
    seen: set[str] = set()
    for concept in concepts:
        if concept.name.casefold() in seen:
            raise InputError(f"{path} names the concept {quoted(concept.name)} twice: rename one")
        seen.add(concept.name.casefold())
