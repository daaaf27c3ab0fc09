"""Atomic writes, content keys, and a kind and format version on every artefact."""

from congruence.storage.artefact import check_header, header
from congruence.storage.atomic import atomic_folder, atomic_path, read_json, write_json
from congruence.storage.keys import content_key, file_key, folder_key
from congruence.storage.memo import Memo
from congruence.storage.memory import MemoryCache, memory_bytes
from congruence.storage.stamps import folder_stamps, stamped_file_key

__all__ = [
    "Memo",
    "MemoryCache",
    "atomic_folder",
    "atomic_path",
    "check_header",
    "content_key",
    "file_key",
    "folder_key",
    "folder_stamps",
    "header",
    "memory_bytes",
    "read_json",
    "stamped_file_key",
    "write_json",
]
