"""Temporal SAEs: `conf.yaml` and `latest_ckpt.safetensors`; known by name, and refused."""

from collections.abc import Collection, Iterable

from congruence.errors import SaeError
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, folders_with, register_format
from congruence.saes.formats.saelens import TEMPORAL
from congruence.saes.sae import Sae

CONFIG, WEIGHTS = "conf.yaml", "latest_ckpt.safetensors"


@register_format("temporal")
class Temporal(SaeFormat):
    """Attention over the tokens before decides a token's code, so rows of tokens can't be encoded."""

    looks_for = f"{CONFIG} and {WEIGHTS} (refused)"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS, CONFIG)

    def refused(self, files: SaeFiles) -> str:
        return f"{files.label}: {TEMPORAL}"

    def describe(self, files: SaeFiles) -> SaeEntry:
        return self.entry(files, architecture="temporal")

    def read(self, files: SaeFiles) -> Sae:
        raise SaeError(f"{files.label}: {TEMPORAL}")
