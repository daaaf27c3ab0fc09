"""The configuration of a run: its sections, reading it from a file, and the steps it names."""

from congruence.careful import guard
from congruence.config.parsing import load_config, parse_config, resolve
from congruence.config.quirks import QUIRKS, as_published
from congruence.config.run import RunConfig

__all__ = ["QUIRKS", "RunConfig", "as_published", "load_config", "parse_config", "resolve"]

guard(globals())
