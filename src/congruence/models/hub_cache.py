"""The Hub's cache: where in one of its folders the files are, and adapters that lie in it."""

import re
from pathlib import Path

from congruence.errors import InputError

_OF_ADAPTERS = ["adapter_*", "config.json", "tokenizer*", "vocab*", "merges.txt", "*_tokens*.json"]
_CACHED = re.compile(r"(models|datasets|spaces)--.+")


def snapshot_of(path: Path) -> Path:
    """The snapshot in a folder such as `models--acme--small`; any other folder as it is.

    Of several snapshots the one is taken that the cache's `refs/main` names.

    Args:
        path: a folder.

    Raises:
        InputError: the cache holds no snapshot, or several and no main one.
    """
    snapshots = path / "snapshots"
    if not (_CACHED.fullmatch(path.name) or (path / "refs").is_dir()) or not snapshots.is_dir():
        return path
    found = sorted(place for place in snapshots.iterdir() if place.is_dir())
    main = path / "refs" / "main"
    if main.is_file():
        named = snapshots / main.read_text().strip()
        found = [named] if named in found else found
    if len(found) != 1:
        problem = f"{len(found)} snapshots and no refs/main among them" if found else "no snapshot"
        raise InputError(f"cache folder {str(path)!r} holds {problem}: name the folder of one snapshot")
    return found[0]


def is_on_hub(name: str, *, revision: str | None = None, cache_dir: str | Path | None = None) -> bool:
    """Whether a model or adapter is in the Hub's cache, or to be had from the Hub."""
    return any(_file(name, file, revision, cache_dir) for file in ("config.json", "adapter_config.json"))


def adapter_on_hub(
    name: str, *, revision: str | None = None, cache_dir: str | Path | None = None
) -> Path | None:
    """The snapshot of a Hub repository that holds a PEFT adapter; None where it holds none.

    Args:
        name: Hub id.
        revision: branch, tag or commit.
        cache_dir: the cache, where it isn't the usual one.
    """
    config = _file(name, "adapter_config.json", revision, cache_dir)
    if config is None:
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = snapshot_download(name, revision=revision, cache_dir=cache_dir, allow_patterns=_OF_ADAPTERS)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError):  # the cache answers
        return config.parent
    return Path(found)


def _file(name: str, file: str, revision: str | None, cache_dir: str | Path | None) -> Path | None:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, file, cache_dir=cache_dir, revision=revision))
    except Exception:  # offline and not cached, no such repository or file
        return None
