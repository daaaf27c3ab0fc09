"""`models:` of a configuration: language models by the user's names, each compared with each."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from congruence.config.run import RunConfig
from congruence.config.section import Section
from congruence.config.sections import SideConfig
from congruence.errors import ConfigError, quoted

MOST_MODELS = 20
JOINED = "~"
"""Stands between the names of two models in the name of their pair's folder."""
_LONGEST = 60
_NOT_IN_NAMES = set('/\\:*?"<>|') | {JOINED}
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)
Names = tuple[str, str]


class ModelsConfig(Section):
    """More than two models, in place of `a` and `b`; every other key holds for each pair of them."""

    models: dict[str, SideConfig]
    """Language models by names of your own, each with the keys of `a` and `b`; every one is compared with
    every other. Of two, the first is `a` and the second `b`."""


@dataclass(frozen=True)
class Models:
    """A configuration of more than two models.

    Attributes:
        models: name -> its section, as resolved.
        pairs: names of two -> the configuration of their comparison; the first named is `a`.
        controls: as written; `other_seed` is left out of a pair in which neither model has one.
    """

    models: dict[str, SideConfig]
    pairs: dict[Names, RunConfig]
    controls: tuple[str, ...]

    @property
    def shared(self) -> RunConfig:
        """What holds for every pair, as the configuration of the first."""
        return next(iter(self.pairs.values()))

    def written(self, mode: str = "python") -> dict[str, Any]:
        """The sections as a file has them, defaults filled in."""
        options: dict[str, Any] = {"by_alias": True, "mode": mode}
        rest = self.shared.model_dump(**options, exclude={"a", "b"})
        models = {name: side.model_dump(**options) for name, side in self.models.items()}
        return {"models": models, **rest, "controls": list(self.controls)}


def pair_name(names: Names) -> str:
    """The name of a pair's folder."""
    return JOINED.join(names)


def named_sides(raw: Mapping[Any, Any], origin: str) -> dict[str, Any]:
    """The sections of all models by name, not looked at yet.

    Args:
        raw: sections by name, `models` among them.
        origin: begins messages.

    Raises:
        ConfigError: `a` or `b` is there as well, there are fewer than two models or too many, or a name
            can't be that of a folder.
    """
    for side in ("a", "b"):
        if side in raw:
            raise ConfigError(
                f"{origin}: {side} and models are both there: name the models under models, or two as a and b"
            )
    models = raw["models"]
    if not isinstance(models, Mapping):
        raise ConfigError(
            f"{origin}: models = {quoted(models)}: write {{name: {{model: …, saes: …}}, …}} with names of "
            "your own"
        )
    for name in models:
        _check_name(name, origin)
    if len(models) < 2:
        raise ConfigError(
            f"{origin}: models names {', '.join(map(quoted, models)) or 'none'}: name two at least, as each "
            "is compared with the others"
        )
    if len(models) > MOST_MODELS:
        pairs = len(models) * (len(models) - 1) // 2
        raise ConfigError(
            f"{origin}: models names {len(models)}, which is {pairs:,} comparisons of two models: name at "
            f"most {MOST_MODELS} ({MOST_MODELS * (MOST_MODELS - 1) // 2})"
        )
    seen: dict[str, str] = {}
    for name in models:
        same = unicodedata.normalize("NFKC", name).casefold()
        if same in seen:
            raise ConfigError(
                f"{origin}: models {quoted(seen[same])} and {quoted(name)} are one name where case is not "
                "told apart, as on many disks: rename one"
            )
        seen[same] = name
    return dict(models)


def _check_name(name: Any, origin: str) -> None:
    if not isinstance(name, str):
        raise ConfigError(f"{origin}: the name {quoted(name)} of models isn't text: write it in quotes")
    bad = next((one for one in name if one in _NOT_IN_NAMES or not one.isprintable()), None)
    reason = (
        f"holds {bad!a}" if bad is not None
        else "is empty" if not name.strip()
        else "begins with a dot" if name.startswith(".")
        else "begins or ends with a space or a dot" if name != name.strip(" .")
        else f"is longer than {_LONGEST} bytes" if len(name.encode("utf-8", "replace")) > _LONGEST
        else "is the name of a device on Windows" if _DEVICES.fullmatch(name)
        else ""
    )  # fmt: skip
    if reason:
        raise ConfigError(
            f"{origin}: the name {quoted(name)} of models {reason}, so it can't be part of a folder's name: "
            "use letters, digits, '-', '_' and '.'"
        )


def raw_pairs(raw: Mapping[Any, Any], origin: str) -> Iterator[tuple[Names, dict[Any, Any]]]:
    """Every two of the models as the sections of a run of two, the first named as `a`.

    Raises:
        ConfigError: as `named_sides`; or features are to be paired by a crosscoder of two models.
    """
    sides = {name: _side(name, side) for name, side in named_sides(raw, origin).items()}
    rest = {key: value for key, value in raw.items() if key != "models"}
    pairing = rest.get("pairing")
    if len(sides) > 2 and isinstance(pairing, Mapping) and pairing.get("method") == "crosscoder":
        raise ConfigError(
            f"{origin}: pairing.method = 'crosscoder' pairs the features of two models: name two under "
            "models, or take another method"
        )
    seeded = any(_has(side, "other_seed") for side in sides.values())
    for names in combinations(sides, 2):
        a, b = (sides[name] for name in names)
        sections = {"a": a, "b": b, **rest}
        controls = rest.get("controls")
        if seeded and isinstance(controls, list) and not (_has(a, "other_seed") or _has(b, "other_seed")):
            sections["controls"] = [one for one in controls if one != "other_seed"]
        yield (names[0], names[1]), sections


def _side(name: str, side: Any) -> Any:
    """A model's section, which goes by the model's name unless it names another."""
    if isinstance(side, SideConfig):
        side = side.model_dump(by_alias=True)
    if isinstance(side, Mapping) and side.get("name") is None:
        return {**side, "name": name}
    return side


def _has(side: Any, key: str) -> bool:
    return isinstance(side, Mapping) and side.get(key) is not None
