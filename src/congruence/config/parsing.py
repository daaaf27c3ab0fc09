"""Reading a configuration, and saying in one line what is wrong with it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from congruence.config.describe import check_text, describe
from congruence.config.models import Models, raw_pairs
from congruence.config.quirks import with_quirks
from congruence.config.run import RunConfig
from congruence.config.saes import SaeSource
from congruence.config.sections import CorpusConfig, MeasureFile
from congruence.errors import ConfigError, quoted
from congruence.storage.objects import is_url, normal_url
from congruence.storage.places import stands_for_something
from congruence.strict_files import read_strict

QUOTES = "'\""
_SIDES = {"a": "a", "b": "b"}
"""What the user calls the two sides."""


def load_config(path: Path, *, there: bool = False) -> RunConfig:
    """Read a YAML configuration; relative paths in it are taken from its own folder.

    Args:
        path: the file.
        there: the text must be there.

    Raises:
        ConfigError: the file is missing, isn't YAML, or doesn't describe a run.
    """
    return parse_config(read_yaml(path), base=path.parent, origin=str(path), there=there)


def resolve(
    config: RunConfig | Mapping[str, Any] | str | Path | None, sections: Mapping[str, Any]
) -> RunConfig:
    """One configuration of two models from a file, a mapping or sections by name."""
    return of_two(resolve_any(config, sections), "config")


def resolve_any(
    config: RunConfig | Models | Mapping[str, Any] | str | Path | None, sections: Mapping[str, Any]
) -> RunConfig | Models:
    """The same, of any number of models."""
    if isinstance(config, str | Path):
        path = Path(config)
        config = parse_any(read_yaml(path), base=path.parent, origin=str(path), there=True)
        if not sections:
            return config
    if isinstance(config, RunConfig):
        config = config.model_dump(by_alias=True)
    elif isinstance(config, Models):
        if not sections:
            return config
        config = config.written()
    raw = {} if config is None else sections_of(config, "config", "a, b and corpus")
    return parse_any({**raw, **sections}, there=True)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; :class:`ConfigError` where it is missing, isn't YAML, or has a key twice."""
    what = f"config {quoted(str(path), 200).strip(QUOTES)}"
    return read_strict(path, what, ConfigError, remedy="give the path of a YAML file")


def parse_config(raw: Any, *, base: Path = Path(), origin: str = "config", there: bool = False) -> RunConfig:
    """Validate a mapping as a run configuration; what its quirks come down to is written into it.

    Args:
        raw: sections by name.
        base: folder that relative paths are taken from, before the working folder.
        origin: begins messages.
        there: the text must be there.

    Raises:
        ConfigError: one line that names the first wrong key, its value and the remedy; or it names more than
            two models.
    """
    return of_two(parse_any(raw, base=base, origin=origin, there=there), origin)


def of_two(config: RunConfig | Models, origin: str) -> RunConfig:
    """The configuration, if it is one of two models.

    Raises:
        ConfigError: it names more.
    """
    if isinstance(config, RunConfig):
        return config
    raise ConfigError(
        f"{origin}: models names {len(config.models)} ({', '.join(config.models)}), which `congruence run` "
        "and `validate` take and this doesn't: name two"
    )


def parse_any(
    raw: Any, *, base: Path = Path(), origin: str = "config", there: bool = False
) -> RunConfig | Models:
    """As `parse_config`; of more than two models, what each pair of them is compared by."""
    raw = sections_of(raw, origin, "a, b and corpus")
    # in YAML an unquoted `null:` is not a word but the empty value
    named = {"null" if key is None else key: value for key, value in raw.items()}
    check_text(named, origin)
    if "models" not in named:
        return _parsed(named, base, origin, _SIDES, there=there)
    pairs = {}
    for (x, y), sections in raw_pairs(named, origin):
        called = {"a": f"models.{x}", "b": f"models.{y}"}
        pairs[x, y] = _parsed(sections, base, origin, called, there=there)
    if len(pairs) == 1:
        return next(iter(pairs.values()))
    models = {names[place]: (one.a, one.b)[place] for names, one in pairs.items() for place in (0, 1)}
    ordered = {name: models[name] for name in named["models"]}
    controls = tuple(dict.fromkeys(control for one in pairs.values() for control in one.controls))
    return Models(ordered, pairs, controls)


def _parsed(
    named: Mapping[str, Any], base: Path, origin: str, called: Mapping[str, str], *, there: bool
) -> RunConfig:
    """The configuration of a run of two models."""
    try:
        config = RunConfig.model_validate(named)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {describe(error, RunConfig, called)}") from None
    _check_controls(config, origin, called)
    return _with_paths(with_quirks(config), base, origin, called, there=there)


def sections_of(raw: Any, origin: str, wanted: str) -> Mapping[Any, Any]:
    """What a configuration holds, if it is keys with their values."""
    if isinstance(raw, Mapping):
        return raw
    held = "is empty" if raw is None else f"holds {quoted(raw)}, not keys with their values"
    raise ConfigError(f"{origin} {held}: write at least {wanted}")


def _check_controls(config: RunConfig, origin: str, called: Mapping[str, str]) -> None:
    if "other_seed" in config.controls and not (config.a.other_seed or config.b.other_seed):
        raise ConfigError(
            f"{origin}: control 'other_seed' needs SAEs of another seed: name them as other_seed of "
            f"{called['a']} or {called['b']}"
        )
    lacking = [called[name] for name in ("a", "b") if not getattr(config, name).frozen_decoder]
    if "frozen_decoder" in config.controls and lacking:
        raise ConfigError(
            f"{origin}: control 'frozen_decoder' needs SAEs with a fixed decoder, as congruence train-sae "
            f"CONFIG --frozen-decoder makes them: name them as frozen_decoder of {' and '.join(lacking)}"
        )
    if "neurons" in (config.a.features, config.b.features) and "untrained_sae" in config.controls:
        raise ConfigError(
            f"{origin}: control 'untrained_sae' needs SAEs on both sides, not features: neurons"
        )


def _with_paths(
    config: RunConfig, base: Path, origin: str, called: Mapping[str, str], *, there: bool
) -> RunConfig:
    """Turn what names an existing file or folder, seen from `base`, into an absolute path."""

    def place(value: Any, where: str) -> Any:
        if isinstance(value, dict):
            return {key: place(item, f"{where}.{key}") for key, item in value.items()}
        if isinstance(value, SaeSource):
            return value.model_copy(update={"path": local_or_hub(value.path, base, where)})
        return local_or_hub(value, base, where) if isinstance(value, str) else value

    def side(name: str) -> Any:
        section = getattr(config, name)
        keys = ("model", "base", "saes", "other_seed", "frozen_decoder")
        where = f"{origin}: {called[name]}"
        placed = {key: place(getattr(section, key), f"{where}.{key}") for key in keys}
        if section.revision is not None and Path(str(placed["model"])).exists():
            raise ConfigError(
                f"{where}.revision = {quoted(section.revision)}: the model is a folder on this "
                "disk, which has no revisions: leave it out"
            )
        return section.model_copy(update={**placed, "name": section.label})

    corpus = corpus_at(config.corpus, base, f"{origin}: corpus", there=there)
    update: dict[str, Any] = {"a": side("a"), "b": side("b"), "corpus": corpus}
    if isinstance(path := config.pairing.options.get("path"), str):
        found = {"path": place(path, f"{origin}: pairing.path")}
        update["pairing"] = type(config.pairing)(**config.pairing.model_dump() | found)
    if config.cache is not None:
        update["cache"] = _cache_at(config.cache, base, f"{origin}: cache")
    update["measures"] = _measures_at(config.measures, base, f"{origin}: measures")
    if config.concepts:
        placed = _measures_at(config.concepts.measures, base, f"{origin}: concepts.measures")
        update["concepts"] = config.concepts.model_copy(update={"measures": placed})
    return config.model_copy(update=update)


def _cache_at(cache: str, base: Path, where: str) -> str:
    """A URL, or the absolute path of a folder that needn't be there yet."""
    if not cache.isprintable():
        raise ConfigError(
            f"{where} = {quoted(cache, 100)} can't be a name: give a folder or s3://BUCKET/NAME"
        )
    place = normal_url(cache, where) if is_url(cache) else expand(cache, where)
    return place if is_url(place) else os.path.normpath(base.resolve() / place)


def _measures_at(steps: list[Any], base: Path, where: str) -> list[Any]:
    """Steps with the absolute paths of files of one's own measures, which must be there."""

    def placed(step: Any) -> Any:
        if not isinstance(step, MeasureFile):
            return step
        path = local_or_hub(step.file, base, f"{where}.file")
        if not _exists(Path(str(path))) or Path(str(path)).is_dir():
            raise ConfigError(
                f"{where}.file = {quoted(step.file, 100)} is no file in {base.resolve()} or {Path.cwd()}: "
                "give the path of a Python file"
            )
        return step.model_copy(update={"file": path})

    return [placed(step) for step in steps]


def corpus_at(corpus: CorpusConfig, base: Path, where: str, *, there: bool = False) -> CorpusConfig:
    """A corpus section whose path is absolute: seen from `base` where it is nowhere, unless it must be there.

    Raises:
        ConfigError: there is nothing at its path; the message says where was looked.
    """
    if corpus.path is None:
        return corpus
    path = local_or_hub(corpus.path, base, f"{where}.path")
    if not there:
        return corpus.model_copy(update={"path": str(base.resolve() / str(path))})
    if not _exists(Path(str(path))):
        looked = "" if Path(str(path)).is_absolute() else f" in {base.resolve()}"
        if looked and base.resolve() != Path.cwd():
            looked += f" or {Path.cwd()}"
        hub = re.fullmatch(r"[\w.-]+/[\w.-]+", corpus.path) and not Path(corpus.path).suffix
        hint = ", or write dataset: for a data set of the Hub" if hub else ""
        raise ConfigError(
            f"{where}.path = {quoted(corpus.path, 100)} doesn't exist{looked}: check the path{hint}"
        )
    return corpus.model_copy(update={"path": path})


def local_or_hub(value: str | None, base: Path, where: str = "config") -> str | None:
    """The absolute path where `value` exists below `base` or the working folder; else `value`, expanded.

    ``~``, ``$NAME`` and ``${NAME}`` are written out; links stay as they are named. ``{layer}`` and wildcards
    may stand in it, and `canonical` at its end.

    Raises:
        ConfigError: a variable isn't set.
    """
    if value is None:
        return None
    if Path(value).is_absolute() and stands_for_something(Path(value)):
        return _tidy(Path(value))
    expanded = expand(value, where)
    for candidate in (base / expanded, Path(expanded)):
        if stands_for_something(candidate.absolute()):
            return _tidy(candidate.absolute())
    return expanded


def _tidy(path: Path) -> str:
    """The path without `..`, unless these lead out of a link's target."""
    tidy = os.path.normpath(path)
    return tidy if not path.exists() or os.path.samefile(path, tidy) else str(path)


def expand(value: str, where: str) -> str:
    """A path with the home folder and environment variables written out.

    Raises:
        ConfigError: a variable isn't set, or there is no such user.
    """
    home = os.path.expanduser(value)
    if value.startswith("~") and home == value:
        raise ConfigError(f"{where} = {quoted(value, 100)}: there is no such user's home: write the path out")

    def variable(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if not os.environ.get(name):
            raise ConfigError(
                f"{where} = {quoted(value, 100)}: the variable {name} isn't set: set it or write it out"
            )
        return os.environ[name]

    return re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", variable, home)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or that no file can have
        return False
