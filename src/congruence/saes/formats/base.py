"""What a file format has to say for itself. To add one: a file, a class, the decorator, a test row."""

import json
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from torch import Tensor

from congruence.errors import CongruenceError, SaeError
from congruence.hook_names import parse_hook_name
from congruence.registry import Registry
from congruence.saes.checks import check_sae
from congruence.saes.entry import SaeEntry
from congruence.saes.ids import layer_in
from congruence.saes.loading import with_input_factor
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder, Source
from congruence.saes.tensors import read_config, read_one_tensor, read_tensors
from congruence.storage import content_key, stamped_file_key

_NUMBERS = ("layer", "d_in", "d_sae")
READING = 1
"""Counts up when the same files come to mean other numbers."""


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
        """Whether a file is there; `../config.yaml` is one beside an SAE that is a single file."""
        return self._below(name) in self.source.files

    def path(self, name: str = "") -> Path:
        """Local path of a file of this SAE, or of the SAE itself where that is a single file."""
        return self.source.local(self._below(name) if name else self.sae_id)

    def config(self, name: str) -> dict[str, Any]:
        return read_config(self.path(name))

    def tensors(self, name: str = "") -> dict[str, Any]:
        return read_tensors(self.path(name))

    def tensor(self, file: str, name: str) -> Tensor | None:
        """One tensor of a file that lets it be read without the others; None elsewhere."""
        return read_one_tensor(self.path(file), name)

    def header(self, name: str) -> frozenset[str] | None:
        """Tensor names of a safetensors file here; None where that would need a download, or it is broken."""
        if not isinstance(self.source, LocalFolder):
            return None
        return frozenset(header_shapes(self.path(name))) or None

    def layer_from_name(self) -> int | None:
        """The layer that the path names, if it names one."""
        found = layer_in(self.sae_id)
        return layer_in(self.label) if found is None else found

    def below(self) -> list[str]:
        """All files of this SAE: "" where it is a single file, else names in its folder.

        Of a source that is an SAE itself, files in folders that hold SAEs of their own are in this list too.
        """
        if self.sae_id in self.source.files:
            return [""]
        start = "" if self.sae_id == "." else f"{self.sae_id}/"
        return sorted(file.removeprefix(start) for file in self.source.files if file.startswith(start))

    def _below(self, name: str) -> str:
        return posixpath.normpath(f"{self.sae_id}/{name}")


class SaeFormat(ABC):
    """One way of laying SAEs out in files."""

    name: ClassVar[str]
    looks_for: ClassVar[str]
    """The files it needs, as they are named in error messages."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Names of the files that `read` opens; empty for an SAE's one file, or for all that lie below it."""
    only_if_alone: ClassVar[bool] = False
    """Whether its file names are so common that it is tried only where no other format finds anything."""

    @abstractmethod
    def ids(self, files: Collection[str]) -> Iterable[str]:
        """The ids of the SAEs whose files are there, by names alone."""

    def accepts(self, files: SaeFiles) -> bool:
        """Whether configs and headers agree that the SAE is of this format; only asked if `ids` named it."""
        return True

    def parts(self, files: SaeFiles) -> list[str]:
        """Those of the SAE's files whose bytes decide what is computed, as `SaeFiles.path` takes them."""
        return [name for name in self.reads if files.has(name)] or files.below()

    def says_by_name(self, files: SaeFiles) -> Any:
        """What stands in the path alone and decides what is computed, such as k; None for nothing."""
        return None

    def decoder(self, files: SaeFiles) -> Tensor | None:
        """W_dec as `read` gives it, without the other tensors; None where they have to be read too."""
        return None

    def refused(self, files: SaeFiles) -> str:
        """Why an SAE that is of this format and whole isn't read, for a listing; "" where it is."""
        return ""

    @abstractmethod
    def describe(self, files: SaeFiles) -> SaeEntry:
        """The line of a listing, without reading the weights."""

    @abstractmethod
    def read(self, files: SaeFiles) -> Sae:
        """The SAE with its tensors as stored (`format` and `path` are filled in by the caller)."""

    def entry(self, files: SaeFiles, **known: Any) -> SaeEntry:
        """A listing line with source, id, format and, unless `known`, the layer filled in."""
        known = {name: _checked(files, name, value) for name, value in known.items()}
        hook = parse_hook_name(known["hook_name"]) if known.get("hook_name") else None
        known.setdefault("layer", hook.layer if hook else files.layer_from_name())
        for size in ("d_in", "d_sae"):  # a broken config may say anything; reading the weights tells
            known[size] = known.get(size) if type(known.get(size)) is int else None
        found = Found(self, files)
        return SaeEntry(
            path=files.source.name, sae_id=files.sae_id, format=self.name, files=lambda: found, **known
        )


@dataclass(frozen=True)
class Found:
    """One SAE of a source, with the format that reads it.

    Attributes:
        input_factor: what inputs are to be multiplied by, known from a registry and not from the files.
    """

    format: SaeFormat
    files: SaeFiles
    input_factor: float | None = None

    @property
    def sae_id(self) -> str:
        return self.files.sae_id

    def describe(self) -> SaeEntry:
        """The line of a listing."""
        with understood(self.files):
            return self.format.describe(self.files)

    def refused(self) -> str:
        """Why it isn't read, where its format knows it by name; else ""."""
        with understood(self.files):
            return self.format.refused(self.files)

    def read(self) -> Sae:
        """The SAE as stored, checked."""
        with understood(self.files):
            sae = check_sae(replace(self.format.read(self.files), format=self.format.name))
            return with_input_factor(sae, self.input_factor)

    def decoder(self) -> Tensor | None:
        """W_dec as stored, unchecked; None where the whole SAE has to be read for it."""
        with understood(self.files):
            return self.format.decoder(self.files)

    def key(self) -> str:
        """Content key of the files and what is known beside them."""
        keys = [[name, stamped_file_key(self.files.path(name))] for name in self.format.parts(self.files)]
        return content_key(
            [self.format.name, READING, self.format.says_by_name(self.files), self.input_factor, keys]
        )

    def names(self) -> list[str]:
        """Names of the files whose bytes decide what is computed."""
        return [name or PurePosixPath(self.sae_id).name for name in self.format.parts(self.files)]


@contextmanager
def understood(files: SaeFiles) -> Iterator[None]:
    """What goes wrong inside is the file's fault: an entry of another kind than any format has there.

    Raises:
        SaeError: in place of whatever Python or torch raised.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, CongruenceError):
            raise
        told = " ".join(str(error).split())[:160]
        raise SaeError(
            f"{files.label}: its files can't be understood ({type(error).__name__}: {told}): "
            "is its config whole?"
        ) from error


def _checked(files: SaeFiles, name: str, value: Any) -> Any:
    """An entry of a config, refused if it is of another kind than what it stands for."""
    if value is None or (name not in _NUMBERS and isinstance(value, str)):
        return value
    number = name in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool)
    if number and float(value).is_integer() and value >= 0:
        return int(value)
    expected = "a whole number" if name in _NUMBERS else "a word"
    raise SaeError(f"{files.label}: {name} is {value!r}, expected {expected}: the config is broken")


FORMATS: Registry[SaeFormat] = Registry("SAE format", "sae_formats")


def register_format(name: str) -> Callable[[type[SaeFormat]], type[SaeFormat]]:
    """Class decorator that puts a format on the table."""

    def add(cls: type[SaeFormat]) -> type[SaeFormat]:
        FORMATS.add(name, cls())
        cls.name = name
        return cls

    return add


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
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise SaeError(f"{path}: {name} is {value!r}, expected a whole number: the config is broken")
    return int(value)  # pyright: ignore[reportArgumentType]
