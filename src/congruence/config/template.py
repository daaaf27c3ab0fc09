"""A commented configuration for two given models: the keys that are set, and those one is likely to want."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from congruence.config.concepts import ConceptsConfig
from congruence.config.run import RunConfig
from congruence.config.sections import CorpusConfig, NullConfig, PairingConfig, SideConfig
from congruence.options import attribute_docs

WIDTH = 100
_OFFERED = {
    "a": (SideConfig, ("hook", "other_seed", "name", "device", "dtype")),
    "b": (SideConfig, ("hook", "other_seed", "name", "device", "dtype")),
    "corpus": (CorpusConfig, ("prepend_bos", "skip_first")),
    "pairing": (PairingConfig, ("measure", "min_cofirings", "split", "null_draws")),
    "null": (NullConfig, ("alternative", "stop_after")),
}
"""Sections, and the keys in them that are shown with their defaults as comments."""


def template(config: Mapping[str, Any], *, head: Sequence[str] = ()) -> str:
    """YAML of a configuration, every key with what it means.

    Args:
        config: the sections that are set; what they leave out stands as a comment.
        head: lines of comment above it.

    Returns:
        Text that `parse_config` reads as `config`.
    """
    lines = [f"# {line}" for line in head]
    docs = attribute_docs(RunConfig)
    for name in RunConfig.model_fields:
        if name in config:
            lines += ["", *_comment(docs.get(name, ""))]
            lines += _section(name, config[name]) if name in _OFFERED else _entry(name, config[name])
        elif name in ("controls", "concepts", "interval"):
            example = {"controls": ["rerandomized"], "concepts": "all", "interval": {"by": "pairs"}}[name]
            lines += ["", *_comment(docs.get(name, "")), *(f"# {one}" for one in _entry(name, example))]
    return "\n".join(lines).lstrip("\n") + "\n"


def _section(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    section, offered = _OFFERED[name]
    docs = attribute_docs(section)
    yield f"{name}:" if name != "null" else '"null":'
    for key, value in values.items():
        inner = _entry(key, value)
        own = docs.get(key, docs.get(f"{key}_", ""))
        yield from (f"  {line}" for line in [*_comment(own), *inner])
    for key in (key for key in offered if key not in values):
        default = section.model_fields[key].default
        yield from (f"  {line}" for line in _comment(docs.get(key, "")))
        yield from (f"  # {line}" for line in _entry(key, default))


def _entry(name: str, value: Any) -> list[str]:
    """A key with its value, in one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False
    ).strip()
    return [f"{name}: {text.removesuffix('...').strip()}"]


def _comment(text: str) -> list[str]:
    """A key's docstring as lines of comment, without the marks of code."""
    plain = " ".join(text.replace("``", "").split())
    return [f"# {line}" for line in textwrap.wrap(plain, WIDTH)]


def sections() -> dict[str, type[BaseModel]]:
    """Every section of a configuration by the key that holds it, in the order of the file."""
    from congruence.config.concepts import InsideConfig, MultiTokenConfig
    from congruence.config.models import ModelsConfig
    from congruence.config.saes import SaeSource
    from congruence.config.sections import IntervalConfig, MeasureFile, VerdictsConfig

    return {
        "": RunConfig,
        "models": ModelsConfig,
        "a, b": SideConfig,
        "a.saes, b.saes": SaeSource,
        "corpus": CorpusConfig,
        "pairing": PairingConfig,
        "measures": MeasureFile,
        "null": NullConfig,
        "interval": IntervalConfig,
        "verdicts": VerdictsConfig,
        "concepts": ConceptsConfig,
        "concepts.multi_token": MultiTokenConfig,
        "concepts.pairing": InsideConfig,
    }
