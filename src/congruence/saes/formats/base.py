"""What a file format has to say for itself. To add one: a file, a class, the decorator, a test row."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from congruence.errors import SaeError
from congruence.hook_names import parse_hook_name
from congruence.registry import Registry
from congruence.saes.entry import SaeEntry
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder, Source
from congruence.saes.tensors import read_config, read_tensors

_LAYERS = (
    re.compile(r"(?<![a-z])(?:layers?|blocks)[._-]?(\d+)", re.IGNORECASE),
    re.compile(r"(?<![a-z])L(\d+)(?:R|M|A|TC)(?![a-z])", re.IGNORECASE),
)


@dataclass(frozen=True)
class SaeFiles:
    """The files of one SAE: a folder of a source, or a single file of it.

    Attributes:
        sae_id: path below the source, "." for the source itself.
    """

    source: Source
    sae_id: str

    @property
    def label(self) -> str:
        """Source and path, for messages and for formats whose names say what the file doesn't."""
        return self.source.name if self.sae_id == "." else f"{self.source.name}/{self.sae_id}"

    def has(self, name: str) -> bool:
        return self._below(name) in self.source.files

    def path(self, name: str = "") -> Path:
        """Local path of a file of this SAE, or of the SAE itself where that is a single file."""
        return self.source.local(self._below(name) if name else self.sae_id)

    def config(self, name: str) -> dict[str, Any]:
        return read_config(self.path(name))

    def tensors(self, name: str = "") -> dict[str, Any]:
        return read_tensors(self.path(name))

    def header(self, name: str) -> frozenset[str] | None:
        """Tensor names of a safetensors file here; None where that would need a download, or it is broken."""
        if not isinstance(self.source, LocalFolder):
            return None
        return frozenset(header_shapes(self.path(name))) or None

    def layer_from_name(self) -> int | None:
        """The layer that the path names, if it names one."""
        found = layer_in(self.sae_id)
        return layer_in(self.label) if found is None else found

    def _below(self, name: str) -> str:
        return name if self.sae_id == "." else f"{self.sae_id}/{name}"


class SaeFormat(ABC):
    """One way of laying SAEs out in files."""

    name: ClassVar[str]
    looks_for: ClassVar[str]
    """The files it needs, as they are named in error messages."""
    only_if_alone: ClassVar[bool] = False
    """Whether its file names are so common that it is tried only where no other format finds anything."""

    @abstractmethod
    def ids(self, files: Collection[str]) -> Iterable[str]:
        """The ids of the SAEs whose files are there, by names alone."""

    def accepts(self, files: SaeFiles) -> bool:
        """Whether configs and headers agree that the SAE is of this format; only asked if `ids` named it."""
        return True

    @abstractmethod
    def describe(self, files: SaeFiles) -> SaeEntry:
        """The line of a listing, without reading the weights."""

    @abstractmethod
    def read(self, files: SaeFiles) -> Sae:
        """The SAE with its tensors as stored (`format` and `path` are filled in by the caller)."""

    def entry(self, files: SaeFiles, **known: Any) -> SaeEntry:
        """A listing line with source, id, format and, unless `known`, the layer filled in."""
        hook = parse_hook_name(known["hook_name"]) if known.get("hook_name") else None
        known.setdefault("layer", hook.layer if hook else files.layer_from_name())
        return SaeEntry(path=files.source.name, sae_id=files.sae_id, format=self.name, **known)


FORMATS: Registry[SaeFormat] = Registry("SAE format", "sae_formats")


def register_format(name: str) -> Callable[[type[SaeFormat]], type[SaeFormat]]:
    """Class decorator that puts a format on the table."""

    def add(cls: type[SaeFormat]) -> type[SaeFormat]:
        FORMATS.add(name, cls())
        cls.name = name
        return cls

    return add


def layer_in(text: str) -> int | None:
    """The last layer that a path or id names.

    >>> layer_in("layer_3/width_16k/average_l0_71"), layer_in("Llama3_1-8B-Base-L15R-8x"), layer_in("ae.pt")
    (3, 15, None)
    """
    found = next((matches for pattern in _LAYERS if (matches := pattern.findall(text))), None)
    return int(found[-1]) if found else None


def folders_with(files: Collection[str], *needed: str) -> list[str]:
    """Folders that hold all the named files; "." is the source itself.

    >>> folders_with({"a/cfg.json", "a/w.bin", "b/cfg.json"}, "cfg.json", "w.bin")
    ['a']
    """
    folders = {str(PurePosixPath(file).parent) for file in files if PurePosixPath(file).name == needed[0]}
    return sorted(
        f for f in folders if all((name if f == "." else f"{f}/{name}") in files for name in needed)
    )


def header_shapes(path: Path) -> dict[str, list[int]]:
    """Tensor shapes from a safetensors header, without its data; {} where it can't be read."""
    try:
        with path.open("rb") as handle:
            size = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(min(size, 10**8)))
        return {name: info["shape"] for name, info in header.items() if name != "__metadata__"}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def config_int(config: dict[str, Any], name: str, path: object, default: int | None = None) -> int:
    """An integer setting of a config.

    Raises:
        SaeError: it is missing or isn't a whole number.
    """
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise SaeError(f"{path}: {name} is {value!r}, expected a whole number: the config is broken")
    return int(value)
