"""Names are looked up with a hint; seeds depend on the whole path and on nothing else."""

import pytest

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
