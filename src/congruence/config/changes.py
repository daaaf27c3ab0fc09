"""Single keys of a configuration changed from the command line: `--set null.draws=99`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from congruence.config.models import Models, ModelsConfig
from congruence.config.parsing import of_two, parse_any, read_yaml, sections_of
from congruence.config.run import RunConfig
from congruence.errors import ConfigError, quoted, unknown_name
from congruence.strict_files import parse_strict


def load_changed(path: Path, changes: Sequence[str], *, there: bool = True) -> RunConfig | Models:
    """Read a YAML configuration with some of its keys changed.

    Args:
        path: the file.
        changes: ``key=value``; the key with dots between sections, the value as YAML writes it.
        there: the text must be there.

    Raises:
        ConfigError: a key isn't known (the message names those that are), or the file or a value is wrong.
    """
    raw = sections_of(read_yaml(path), str(path), "a, b and corpus")
    named = {"null" if key is None else key: value for key, value in raw.items()}
    origin = f"{path} with --set" if changes else str(path)
    return parse_any(_with(named, changes), base=path.parent, origin=origin, there=there)


def changed(config: RunConfig, changes: Sequence[str], origin: str) -> RunConfig:
    """A configuration with some of its keys changed.

    Args:
        config: of two models.
        changes: as for `load_changed`.
        origin: what messages call it.

    Raises:
        ConfigError: a key isn't known, or a value is wrong.
    """
    if not changes:
        return config
    named = config.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    return of_two(parse_any(_with(named, changes), origin=f"{origin} with --set", there=True), origin)


def _with(named: dict[Any, Any], changes: Sequence[str]) -> dict[Any, Any]:
    for change in changes:
        key, value = _parsed(change)
        _check_known(key)
        named = _changed(named, key, value, ".".join(key))
    return named


def _parsed(change: str) -> tuple[list[str], Any]:
    """The parts of the key, and the value."""
    key, equals, text = change.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(re.fullmatch(r"\w+", part) for part in parts):
        raise ConfigError(f"--set {quoted(change)} isn't KEY=VALUE: write for example --set null.draws=99")
    return parts, parse_strict(text, f"--set {quoted(change)}", ConfigError)


def _check_known(key: list[str]) -> None:
    """Refuse a key that no configuration has, as far as its sections are closed."""
    section: type[BaseModel] | None = RunConfig
    if key[0] in ModelsConfig.model_fields:  # then a name, then what a side has
        section = section_in(ModelsConfig.model_fields[key[0]].annotation)
    for number, part in enumerate(key):
        if key[0] in ModelsConfig.model_fields and number < 2:
            continue
        if section is None:
            return
        known = {field.alias or name: field.annotation for name, field in section.model_fields.items()}
        if part not in known:
            if section.model_config.get("extra") == "allow":
                return  # an option, which the matcher or null knows
            where = f" of {'.'.join(key[:number])}" if number else ""
            names = [*known, *(() if number else ModelsConfig.model_fields)]
            told = ".".join(key) if len(".".join(key)) <= 60 else f"{'.'.join(key)[:57]}..."
            raise ConfigError(f"--set {told}: {unknown_name(f'key{where}', part, names)}")
        section = section_in(known[part])


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a key holds, if it holds one."""
    kinds = [annotation, *getattr(annotation, "__args__", ())]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _changed(raw: Any, key: list[str], value: Any, whole: str) -> dict[Any, Any]:
    """The mapping with one key set; sections that aren't there are made."""
    if raw is not None and not isinstance(raw, Mapping):
        first = whole[: -len(".".join(key)) - 1]
        raise ConfigError(f"--set {whole}: {first} is {quoted(raw)}, not a section: set {first} as a whole")
    held = {} if raw is None else dict(raw)
    name: Any = key[0]
    if name.isdigit() and name not in held:
        name = int(name)  # a layer under saes
    held[name] = value if len(key) == 1 else _changed(held.get(name), key[1:], value, whole)
    return held
