"""Where SAE files lie: a local folder, or a Hub repository of which only the files asked for are fetched."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from congruence.errors import SaeError

TIMEOUT_SECONDS = 20
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?:/[\w./=-]+)?")


class Source(ABC):
    """Named files, each of which can be had as a local path."""

    name: str

    @cached_property
    def files(self) -> frozenset[str]:
        """Relative POSIX paths of all files."""
        return frozenset(self._list())

    @abstractmethod
    def local(self, file: str) -> Path:
        """The file on this machine, downloaded if it has to be."""

    @abstractmethod
    def _list(self) -> Iterable[str]: ...


class LocalFolder(Source):
    """A folder on this machine; hidden files and folders are left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = str(root)

    def _list(self) -> Iterable[str]:
        found: list[str] = []
        for folder, subfolders, names in os.walk(self.root, followlinks=True):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            base = Path(folder).relative_to(self.root)
            found += [(base / name).as_posix() for name in names if not name.startswith(".")]
        return found

    def local(self, file: str) -> Path:
        return self.root / file


class HubRepository(Source):
    """A model repository of the Hugging Face Hub, or its copy in the local cache when offline."""

    def __init__(self, repo_id: str) -> None:
        self.name = repo_id

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
            return Path(hf_hub_download(self.name, file))
        except (OSError, ValueError) as error:
            raise SaeError(
                f"can't fetch {file} of Hub repository {self.name!r}: {_first_line(error)}"
            ) from error

    def _cached_files(self, error: Exception) -> Iterable[str]:
        from huggingface_hub import snapshot_download

        try:
            return LocalFolder(Path(snapshot_download(self.name, local_files_only=True))).files
        except (OSError, ValueError):
            raise SaeError(_not_on_hub(self.name, error)) from error


def open_source(path_or_hub_id: str | Path) -> tuple[Source, str | None]:
    """The source of that name, and the file or folder below it that the name goes on to, if any.

    Raises:
        SaeError: it is neither a folder or file here nor in the form of a Hub id.
    """
    path = Path(path_or_hub_id).expanduser()
    if path.is_dir():
        return LocalFolder(path), None
    if path.is_file() or (path.name == "canonical" and path.parent.is_dir()):
        return LocalFolder(path.parent), path.name
    text = str(path_or_hub_id).removeprefix("hf://")
    if not _HUB_ID.fullmatch(text) or text.startswith("."):
        raise SaeError(
            f"no SAE at {path_or_hub_id}: it is neither a folder nor a Hub id such as 'owner/name'"
        )
    owner, name, *below = text.split("/")
    return HubRepository(f"{owner}/{name}"), "/".join(below).strip("/") or None


def _not_on_hub(name: str, error: Exception) -> str:
    return f"no folder {name!r} here, and no Hub repository of that name can be read: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
