"""Content keys: short names made of what an artefact was made from."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

KEY_LENGTH = 16


def content_key(value: Any) -> str:
    """A 16-digit hexadecimal key of a JSON-like value; the order of a mapping's entries doesn't matter.

    >>> content_key({"a": 1, "b": [2]}) == content_key({"b": [2], "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=KEY_LENGTH // 2).hexdigest()


def file_key(path: Path) -> str:
    """A key of a file's bytes."""
    digest = hashlib.blake2b(digest_size=KEY_LENGTH // 2)
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def folder_key(path: Path) -> str:
    """A key of the names and bytes of all files below a folder, hidden ones left out."""
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    return content_key([[str(p.relative_to(path)), file_key(p)] for p in files])


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=8).hexdigest()
    raise TypeError(f"no content key for {type(value).__name__}")
