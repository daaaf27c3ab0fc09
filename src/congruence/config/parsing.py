"""Reading a configuration, and saying in one line what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from congruence.config.run import RunConfig
from congruence.errors import ConfigError, unknown_name


def load_config(path: Path) -> RunConfig:
    """Read a YAML configuration; relative paths in it are taken from its own folder.

    Raises:
        ConfigError: the file is missing, isn't YAML, or doesn't describe a run.
    """
    return parse_config(read_yaml(path), base=path.parent, origin=str(path))


def resolve(
    config: RunConfig | Mapping[str, Any] | str | Path | None, sections: Mapping[str, Any]
) -> RunConfig:
    """One configuration from a file, a mapping or sections by name."""
    if isinstance(config, str | Path):
        loaded = load_config(Path(config))
        if not sections:
            return loaded
        config = loaded
    if isinstance(config, RunConfig):
        config = config.model_dump(by_alias=True)
    return parse_config({**(config or {}), **sections})


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; :class:`ConfigError` where it is missing or isn't YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"config {path} doesn't exist: give the path of a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} can't be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"config {path} isn't valid YAML: {error}") from error


def parse_config(raw: Any, *, base: Path = Path(), origin: str = "config") -> RunConfig:
    """Validate a mapping as a run configuration.

    Raises:
        ConfigError: one line that names the first wrong key, its value and the remedy.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{origin} holds {type(raw).__name__}, not a mapping with a, b and corpus")
    # in YAML an unquoted `null:` is not a word but the empty value
    named = {"null" if key is None else key: value for key, value in raw.items()}
    try:
        config = RunConfig.model_validate(named)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {describe(error, RunConfig)}") from None
    _check_controls(config, origin)
    return _with_paths(config, base)


def _check_controls(config: RunConfig, origin: str) -> None:
    if "other_seed" in config.controls and not (config.a.other_seed or config.b.other_seed):
        raise ConfigError(
            f"{origin}: control 'other_seed' needs SAEs of another seed: name them as other_seed of a or b"
        )
    if "neurons" in (config.a.features, config.b.features) and "untrained_sae" in config.controls:
        raise ConfigError(
            f"{origin}: control 'untrained_sae' needs SAEs on both sides, not features: neurons"
        )


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first of pydantic's errors as one line, with the nearest known key for an unknown one."""
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"] if not _is_union_branch(part))
    if first["type"] == "extra_forbidden":
        section, key = _section(model, first["loc"][:-1]), first["loc"][-1]
        inside = f" in {'.'.join(map(str, first['loc'][:-1]))}" if len(first["loc"]) > 1 else ""
        return unknown_name("key", key, _keys(section)) + inside
    if first["type"] == "missing":
        return f"{where} is missing: add it"
    shown = repr(first.get("input"))
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    message = first["msg"].removeprefix("Value error, ")
    return f"{where} = {shown}: {message}" if where else message


def _is_union_branch(part: Any) -> bool:
    return isinstance(part, str) and any(mark in part for mark in "[]()")


def _keys(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _section(model: type[BaseModel], location: tuple[Any, ...]) -> type[BaseModel]:
    for part in location:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        for candidate in (annotation, *get_args(annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return model


def _with_paths(config: RunConfig, base: Path) -> RunConfig:
    """Turn what names an existing file or folder, seen from `base`, into an absolute path."""

    def place(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: place(item) for key, item in value.items()}
        return local_or_hub(value, base)

    def side(section: Any) -> Any:
        placed = {name: place(getattr(section, name)) for name in ("model", "base", "saes", "other_seed")}
        return section.model_copy(update={**placed, "name": section.label})

    corpus = config.corpus.model_copy(update={"path": place(config.corpus.path)})
    return config.model_copy(update={"a": side(config.a), "b": side(config.b), "corpus": corpus})


def local_or_hub(value: str | None, base: Path) -> str | None:
    """The absolute path where `value` exists below `base` or the working folder; else `value` as it is."""
    if value is None:
        return None
    expanded = Path(value).expanduser()
    for candidate in (base / expanded, expanded):
        if candidate.exists():
            return str(candidate.resolve())
    return value
