"""Over a thousand malformed inputs: each is refused in one line with exit code 2, and harms nothing.

Every kind is generated: the fields of a configuration from its own annotations, options from those of measures,
nulls, matchers and filters (so that what is added tomorrow is tried too), files by changing good ones. Nothing is
replaced but the first step of computing: an input that reaches it was taken.
"""

import hashlib
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from attempts import DEMO, Attempt, Computed, fault
from of_calls import of_calls, of_flags
from of_commands import of_commands, of_readers, of_validated
from of_configurations import of_fields, of_options, of_relations, of_yaml
from of_files import of_corpora, of_keyword_lists, of_models, of_run_folders, of_saes

SHORT = {
    "fields": 40, "options": 25, "together": 20, "YAML": 15, "keyword lists": 15, "SAEs": 15, "flags": 10, "calls": 25,
    "corpora": 5, "models": 3, "commands": 15, "validated": 10,
}  # fmt: skip
"""Inputs of each kind that the default tests try, drawn by one seed."""
SEED = 11


@cache
def inputs() -> dict[str, tuple[Attempt, ...]]:
    """Every input by kind; what is random in them derives from one seed."""
    kinds: dict[str, Iterator[Attempt]] = {
        "fields": of_fields(),
        "options": of_options(),
        "together": of_relations(),
        "YAML": of_yaml(random.Random(SEED), 200),
        "keyword lists": of_keyword_lists(random.Random(SEED), 100),
        "SAEs": of_saes(random.Random(SEED), 60),
        "flags": of_flags(),
        "calls": of_calls(),
        "corpora": of_corpora(),
        "models": of_models(),
        "commands": of_commands(),
        "validated": of_validated(),
    }
    return {kind: tuple(found) for kind, found in kinds.items()}


@pytest.fixture(autouse=True)
def nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be known before computing is said before: capture is the first thing that computes."""
    from congruence.run.captures import Captures

    monkeypatch.setattr(Captures, "capture", reached)
    nothing_is_served(monkeypatch)
    monkeypatch.setenv("COLUMNS", "200")


def nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that the explorer takes would be served until somebody ends it."""
    monkeypatch.setattr("uvicorn.Server.run", reached)


def reached(*_: object, **__: object) -> None:
    raise Computed


def faults_of(attempts: Iterator[Attempt] | tuple[Attempt, ...], place: Path) -> list[str]:
    """What is wrong with how each of the inputs was met, and with what it left behind."""
    found = []
    for number, attempt in enumerate(attempts):
        folder = place / str(number)
        folder.mkdir()
        kept = stored_beside(folder)
        if why := fault(attempt, folder):
            found.append(f"{attempt}: {why}")
        if list(folder.rglob("marker")):
            found.append(f"{attempt}: a pickle was run")
        if stored_in(folder) != kept:
            found.append(f"{attempt}: what was stored has changed")
    return found


STORED = {
    "out/results.parquet": b"an earlier run's",
    "out/cells/x/matches.parquet": b"a cell",
    "out/run.json": b"{}",
}


def stored_beside(folder: Path) -> dict[str, bytes]:
    """An earlier run's files where the command line is told to write."""
    for name, content in STORED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return dict(STORED)


def stored_in(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in STORED if (folder / name).exists()}


def hash_of(folder: Path) -> str:
    digest = hashlib.blake2b()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


@pytest.mark.parametrize("kind", SHORT)
def test_some_malformed_inputs_of_each_kind(kind: str, tmp_path: Path) -> None:
    attempts = inputs()[kind]
    chosen = random.Random(SEED).sample(attempts, min(SHORT[kind], len(attempts)))
    found = faults_of(tuple(chosen), tmp_path)
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHORT)
def test_every_malformed_input(kind: str, tmp_path: Path) -> None:
    before = hash_of(DEMO)
    found = faults_of(inputs()[kind], tmp_path)
    assert not found, "\n".join(found)
    assert hash_of(DEMO) == before


def test_there_are_more_than_a_thousand() -> None:
    assert sum(map(len, inputs().values())) > 1000


def test_a_good_input_is_taken(tmp_path: Path) -> None:
    """The checker can fail: an input that is right reaches the first step of computing."""
    from attempts import base_config, run_config

    good = Attempt("configuration", "a good one", lambda folder: run_config(base_config(), folder))
    assert fault(good, tmp_path).startswith("taken")


@pytest.mark.slow
def test_run_folders_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a finished run that are missing, cut, foreign or say something else."""
    from attempts import base_config

    from congruence.run import compare

    monkeypatch.undo()
    compare(base_config(), out=tmp_path / "finished", progress=False)
    nothing_is_served(monkeypatch)
    place = tmp_path / "attempts"
    place.mkdir()
    found = faults_of(of_run_folders(tmp_path / "finished"), place)
    (tmp_path / "read").mkdir()
    found += faults_of(of_readers(tmp_path / "finished"), tmp_path / "read")
    assert not found, "\n".join(found)
