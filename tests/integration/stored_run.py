"""A very small run for tests of what lies on disk, and changing its bytes."""

import json
from pathlib import Path

import pandas as pd

from congruence.report import draw
from congruence.run import Run, compare

NOT_DATA = ("run.log", ".lock")
"""What no result is read from."""


def tiny(config: dict, **sections) -> dict:
    """One layer pair of the small comparison, few documents and draws."""
    a = {name: value for name, value in config["a"].items() if name != "other_seed"}
    b = {name: value for name, value in config["b"].items() if name != "other_seed"}
    return config | {
        "a": a | {"layers": [1]}, "b": b | {"layers": [2]}, "corpus": config["corpus"] | {"documents": 12},
        "measures": ["rsa"], "null": {"kind": "pairing", "draws": 10}, "concepts": ["Time"],
    } | sections  # fmt: skip


def run(config: dict, out: Path, *, pictures: bool = False) -> Run:
    return compare(config, out=out, progress=False, draw=draw if pictures else None)


def same_tables(one: Run, other: Run) -> None:
    """All but how long things took."""
    pd.testing.assert_frame_equal(one.matches, other.matches)
    pd.testing.assert_frame_equal(one.concept_keywords, other.concept_keywords)
    for mine, its in ((one.cells, other.cells), (one.results, other.results)):
        pd.testing.assert_frame_equal(mine.drop(columns="seconds"), its.drop(columns="seconds"))


def stored_files(folder: Path) -> list[Path]:
    """Every file below a run's folder, each once: links, and what was set aside, are left out."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    inside = [path for path in found if not any(p.is_symlink() for p in path.relative_to(folder).parents)]
    return sorted(path for path in inside if path.name not in NOT_DATA and ".broken" not in str(path))


def unproven(folder: Path) -> set[Path]:
    """Stored files that are no record with a checksum, and have none in one."""
    records = [path for path in stored_files(folder) if path.suffix == ".json"]
    said = {path: json.loads(path.read_text()) for path in records}
    proven = {path for path, record in said.items() if "checksum" in record}
    proven |= {path.parent / name for path in proven for name in said[path]["files"]}
    return set(stored_files(folder)) - proven


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Change one bit of a file in place."""
    with path.open("r+b") as handle:
        handle.seek(position)
        (byte,) = handle.read(1)
        handle.seek(position)
        handle.write(bytes([byte ^ (1 << bit)]))


def same_results(one: Run, other: Run) -> None:
    """Equal but for the time they took."""
    drop = {"columns": ["seconds"]}
    pd.testing.assert_frame_equal(one.results.drop(**drop), other.results.drop(**drop))
    pd.testing.assert_frame_equal(one.cells.drop(**drop), other.cells.drop(**drop))
    pd.testing.assert_frame_equal(one.matches, other.matches)
