"""Every format is on the table, says what it looks for, is documented and is tested."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from congruence.errors import ConfigError
from congruence.saes.formats import FORMATS, register_format

ROOT = Path(__file__).parents[3]
TESTED_IN = {
    "dictionary_learning": "tests/golden/saes/dictionary_learning",
    "gemma_scope": "tests/golden/test_sae_published_layouts.py",
    "gemma_scope_2": "tests/golden/test_sae_published_layouts.py",
    "goodfire": "tests/golden/test_sae_published_layouts.py",
    "llama_scope": "tests/golden/test_sae_openmoss_layouts.py",
    "llama_scope_r1": "tests/golden/test_sae_openmoss_layouts.py",
    "llamascopium": "tests/golden/test_sae_openmoss_layouts.py",
    "openai": "tests/golden/test_sae_published_layouts.py",
    "qwen_scope": "tests/golden/test_sae_published_layouts.py",
    "saelens": "tests/golden/saes/saelens",
    "sparsify": "tests/golden/saes/sparsify",
}


def test_every_format_has_golden_tests() -> None:
    assert set(FORMATS.names()) == set(TESTED_IN)
    assert all((ROOT / place).exists() for place in TESTED_IN.values())


@pytest.mark.parametrize("name", TESTED_IN)
def test_every_format_is_documented(name: str) -> None:
    assert f"\n| {name} |" in (ROOT / "docs/saes.md").read_text(encoding="utf-8")
    assert FORMATS.get(name).looks_for
    assert FORMATS.get(name).name == name


@pytest.mark.parametrize("name", TESTED_IN)
@pytest.mark.parametrize("files", [[], ["README.md"], ["model.safetensors", "config.json"], ["a/b/c.bin"]])
def test_no_format_sees_an_sae_where_there_is_none(name: str, files: Iterable[str]) -> None:
    assert not list(FORMATS.get(name).ids(frozenset(files)))


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ConfigError, match="already registered"):
        register_format("saelens")(type(FORMATS.get("sparsify")))
    assert FORMATS.get("sparsify").name == "sparsify"
