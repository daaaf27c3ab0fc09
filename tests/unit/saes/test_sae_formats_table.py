"""Every format is on the table, says what it looks for, is documented and is tested."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from congruence.errors import ConfigError
from congruence.saes.formats import FORMATS, register_format

ROOT = Path(__file__).parents[3]
TESTED_IN = {
    "circuit_tracer": "tests/golden/saes/circuit_tracer",
    "circuit_tracer_clt": "tests/golden/saes/circuit_tracer/clt_relu",
    "deepseek_r1": "tests/golden/test_sae_published_layouts.py",
    "dictionary_learning": "tests/golden/saes/dictionary_learning",
    "dictionary_learning_crosscoder": "tests/golden/saes/dictionary_learning_fork/crosscoder",
    "dictionary_learning_hub": "tests/golden/saes/dictionary_learning_fork/autoencoder_pushed",
    "dictionary_learning_hub_crosscoder": "tests/golden/saes/dictionary_learning_fork/crosscoder_pushed",
    "gemma_scope": "tests/golden/test_sae_published_layouts.py",
    "gemma_scope_2": "tests/golden/test_sae_published_layouts.py",
    "gemma_scope_2_clt": "tests/golden/test_crosscoder_layouts.py",
    "gemma_scope_2_crosscoder": "tests/golden/test_crosscoder_layouts.py",
    "goodfire": "tests/golden/test_sae_published_layouts.py",
    "hook_z": "tests/golden/test_sae_published_layouts.py",
    "kissane_crosscoder": "tests/golden/test_crosscoder_layouts.py",
    "llama_scope": "tests/golden/test_sae_openmoss_layouts.py",
    "llama_scope_r1": "tests/golden/test_sae_openmoss_layouts.py",
    "llamascopium": "tests/golden/test_sae_openmoss_layouts.py",
    "llamascopium_crosscoder": "tests/golden/saes/llamascopium",
    "openai": "tests/golden/test_sae_published_layouts.py",
    "qwen_scope": "tests/golden/test_sae_published_layouts.py",
    "saelens": "tests/golden/saes/saelens",
    "saelens_crosscoder": "tests/golden/test_crosscoder_layouts.py",
    "sparsify": "tests/golden/saes/sparsify",
    "temporal": "tests/golden/test_sae_published_layouts.py",
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
    """But for formats whose file names are those of language models: they are tried last."""
    found = list(FORMATS.get(name).ids(frozenset(files)))
    assert not found or (name.startswith("dictionary_learning_hub") and FORMATS.get(name).only_if_alone)


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ConfigError, match="already registered"):
        register_format("saelens")(type(FORMATS.get("sparsify")))
    assert FORMATS.get("sparsify").name == "sparsify"
