"""Where SAE files lie: a local folder, or a Hub repository of which only the files asked for are fetched."""

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from congruence.errors import InputError, SaeError
from congruence.hook_names import parse_hook_name
from congruence.models.hub_cache import snapshot_of
from congruence.saes.ids import some
from congruence.storage.places import LAYER, files_below, is_pattern, split_at_existing, stands_for_something

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 20
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?:/[^\s]+)?")


class Source(ABC):
    """Named files, each of which can be had as a local path."""

    name: str

    @cached_property
    def files(self) -> frozenset[str]:
        """Relative POSIX paths of all files."""
        return frozenset(self._list())

    @property
    def where(self) -> str:
        """The name, and what may be missing there, for messages."""
        return self.name

    @abstractmethod
    def local(self, file: str) -> Path:
        """The file on this machine, downloaded if it has to be."""

    @abstractmethod
    def _list(self) -> Iterable[str]: ...


class LocalFolder(Source):
    """A folder on this machine; hidden files and folders are left out.

    Args:
        root: the folder, under the name it was given by: links aren't resolved.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = str(root)

    def _list(self) -> Iterable[str]:
        try:
            return list(files_below(self.root, _tell_loop))
        except OSError as error:
            raise SaeError(f"folder {self.name} can't be listed: {error.strerror or error}") from error

    def local(self, file: str) -> Path:
        return self.root / file


class HubRepository(Source):
    """A model repository of the Hugging Face Hub, or its copy in the local cache when offline."""

    def __init__(self, repo_id: str) -> None:
        self.name = repo_id
        self._from_cache = False
        self._fetched: dict[str, Path] = {}

    @property
    def where(self) -> str:
        return f"{self.name} in the local cache (the Hub can't be reached)" if self._from_cache else self.name

    def _list(self) -> Iterable[str]:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

        try:
            siblings = HfApi().model_info(self.name, timeout=TIMEOUT_SECONDS).siblings
        except (RepositoryNotFoundError, GatedRepoError, HFValidationError) as error:
            raise SaeError(_not_on_hub(self.name, error)) from error
        except Exception as error:  # offline, or whatever the Hub client's own HTTP library raises
            return self._cached_files(error)
        return [file.rfilename for file in siblings or ()]

    def local(self, file: str) -> Path:
        from huggingface_hub import hf_hub_download

        try:
            if file not in self._fetched:
                self._fetched[file] = Path(hf_hub_download(self.name, file))
            return self._fetched[file]
        except (OSError, ValueError) as error:
            raise SaeError(
                f"can't fetch {file} of Hub repository {self.name!r}: {first_line(error)}"
            ) from error

    def _cached_files(self, error: Exception) -> Iterable[str]:
        from huggingface_hub import snapshot_download

        try:
            files = LocalFolder(Path(snapshot_download(self.name, local_files_only=True))).files
        except (OSError, ValueError):
            raise SaeError(_not_on_hub(self.name, error)) from error
        self._from_cache = True
        return files


def open_source(path_or_hub_id: str | Path) -> tuple[Source, str | None]:
    """The source of that name, and the file, folder or pattern below it that the name goes on to, if any.

    Raises:
        SaeError: it is neither a folder or file here nor in the form of a Hub id.
    """
    text = str(path_or_hub_id).removeprefix("hf://")
    path = Path(text).expanduser()
    try:
        path.stat()
    except OSError as error:
        if path.is_symlink():
            reason = (
                "it leads to itself" if "symbolic" in str(error).lower() else "what it leads to is missing"
            )
            raise SaeError(f"no SAE at {text}: {reason}, so name the folder itself") from error
    if path.is_dir():
        return _folder(path), None
    if path.is_file():
        return _folder(path.parent), path.name
    explicit = text.startswith((".", "~")) or path.is_absolute()
    split = split_at_existing(path.absolute())
    hook_below = path.parent.is_dir() and "." in path.name and parse_hook_name(path.name) is not None
    if split is not None and (stands_for_something(path.absolute()) or (explicit and hook_below)):
        return _folder(split[0]), split[1]
    if explicit or not _HUB_ID.fullmatch(text) or is_pattern("/".join(text.split("/")[:2])):
        raise SaeError(_nowhere(path_or_hub_id, split if explicit else None))
    owner, name, *below = text.split("/")
    return HubRepository(f"{owner}/{name}"), "/".join(below).strip("/") or None


def _folder(path: Path) -> LocalFolder:
    try:
        return LocalFolder(snapshot_of(path))
    except InputError as error:
        raise SaeError(str(error)) from error


def _nowhere(given: str | Path, split: tuple[Path, str] | None) -> str:
    """What is wrong with a name that is nothing; where part of a path exists, what lies there."""
    if LAYER in str(given) and split is None:
        return f"no SAE at {given}: {{layer}} in a repository's name can't be listed: name layers"
    if split is None:
        return f"no SAE at {given}: it is neither a folder nor a Hub id such as 'owner/name'"
    folder, rest = split
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return f"no SAE at {given}: {folder} is there and holds no {rest}, but {some(names) or 'nothing'}"


def _tell_loop(link: str) -> None:
    logger.warning("%s is a link to a folder that it lies in: not followed", link)


def _not_on_hub(name: str, error: Exception) -> str:
    return f"no folder {name!r} here, and no Hub repository of that name can be read: {first_line(error)}"


def first_line(error: Exception) -> str:
    """The first line of an error that says something; its type where none does."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
