"""Names are looked up with a hint; seeds depend on the whole path and on nothing else."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import congruence
from congruence.errors import ConfigError
from congruence.registry import Registry
from congruence.rng import derive, derive_seed


@pytest.fixture
def registry() -> Registry[int]:
    registry: Registry[int] = Registry("measure", "tests")
    registry.add("svcca", 1)
    return registry


def test_nearest_name_is_suggested(registry):
    with pytest.raises(ConfigError, match="unknown measure 'svca': did you mean 'svcca'"):
        registry.get("svca")


def test_a_name_is_taken_once(registry):
    with pytest.raises(ConfigError, match="already registered"):
        registry.add("svcca", 2)


def test_seeds_depend_on_the_whole_path():
    seeds = {derive_seed(s, *path) for s in (0, 1) for path in [("a", 1), ("a", "1"), ("a1",), ("a", 1, 0)]}
    assert len(seeds) == 8
    assert derive(3, "x").integers(1 << 30) == derive(3, "x").integers(1 << 30)


def tables() -> list[Registry]:
    """Every registry of the package."""
    found = {}
    for module in pkgutil.walk_packages(congruence.__path__, "congruence."):
        if not module.name.endswith("__main__"):
            things = vars(importlib.import_module(module.name)).values()
            found |= {id(thing): thing for thing in things if isinstance(thing, Registry)}
    return list(found.values())


OF_NO_USE_TO_OTHERS = {"aggregates", "corrections", "corpus_readers", "null_inputs"}


def test_the_guide_names_the_groups_that_are_read():
    read = {table.group for table in tables()}
    assert len(read) == len(tables())
    guide = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text()
    told = set(re.findall(r"^\| [\w ]+ \| `(congruence\.\w+)` \|", guide, re.M))
    assert told == read - {f"congruence.{name}" for name in OF_NO_USE_TO_OTHERS}


def test_the_guide_names_decorators_that_exist():
    guide = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text()
    for path in re.findall(r"^\| [\w ]+ \| `congruence\.\w+` \| `([\w.]+)` \|", guide, re.M):
        module, *rest = path.rsplit(".", 2 if path.endswith(".register") else 1)
        thing = importlib.import_module(module)
        for name in rest:
            thing = getattr(thing, name)
        assert callable(thing), path
