"""Every stored artefact says what it is and which version of its format it is in."""

from pathlib import Path
from typing import Any

from congruence.errors import StorageError


def header(kind: str, format_version: int) -> dict[str, Any]:
    """The two fields that every artefact's JSON starts with."""
    return {"kind": f"congruence/{kind}", "format_version": format_version}


def check_header(record: Any, kind: str, format_version: int, path: Path) -> None:
    """Refuse what another tool or a newer congruence wrote.

    Raises:
        StorageError: `record` isn't of this kind, or its format is newer than this version reads.
    """
    found = record.get("kind") if isinstance(record, dict) else None
    if found != f"congruence/{kind}":
        raise StorageError(f"{path} holds {found!r}, not 'congruence/{kind}': name another folder")
    if record.get("format_version", 0) > format_version:
        raise StorageError(
            f"{path} has format {record['format_version']}, newer than this congruence reads "
            f"({format_version}): upgrade congruence"
        )
