"""Atomic writes, content keys, and a kind, a format version and checksums on every artefact."""

from congruence.storage import elsewhere, generations
from congruence.storage.arrays import read_arrays, write_arrays
from congruence.storage.artefact import (
    Artefact,
    NotWhole,
    Older,
    OtherKind,
    check_header,
    header,
    is_there,
    not_whole_unless_read,
    open_artefact,
    whole_or_none,
    write_artefact,
)
from congruence.storage.atomic import (
    atomic_folder,
    atomic_path,
    cant_write,
    read_json,
    tensors_written,
    write_bytes,
    write_json,
    write_text,
)
from congruence.storage.keys import content_key, file_key, folder_key
from congruence.storage.memo import Memo
from congruence.storage.memory import MemoryCache, available_bytes, give_back, memory_bytes
from congruence.storage.npz import npz_arrays
from congruence.storage.stamps import folder_stamps, stamped_file_key

__all__ = [
    "Artefact",
    "Memo",
    "MemoryCache",
    "NotWhole",
    "Older",
    "OtherKind",
    "atomic_folder",
    "atomic_path",
    "available_bytes",
    "cant_write",
    "check_header",
    "content_key",
    "elsewhere",
    "file_key",
    "folder_key",
    "folder_stamps",
    "generations",
    "give_back",
    "header",
    "is_there",
    "memory_bytes",
    "not_whole_unless_read",
    "npz_arrays",
    "open_artefact",
    "read_arrays",
    "read_json",
    "stamped_file_key",
    "tensors_written",
    "whole_or_none",
    "write_arrays",
    "write_artefact",
    "write_bytes",
    "write_json",
    "write_text",
]
