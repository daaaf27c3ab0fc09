"""The example package, really installed, and a configuration that uses it."""

from pathlib import Path

import numpy as np
import pytest
from installing import Python, install, python_with

import tiny_models

SOURCE = Path(__file__).resolve().parents[1] / "plugin_package"


@pytest.fixture(scope="session")
def plugin(tmp_path_factory) -> Python:
    return python_with(install(SOURCE, tmp_path_factory.mktemp("installed") / "plugin"))


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> dict:
    """A configuration of two tiny models whose SAEs only the example's format can read."""
    folder = tmp_path_factory.mktemp("tiny")
    text = folder / "text.txt"
    text.write_text("\n\n".join(tiny_models.TEXTS))
    sides = {}
    for number, name in enumerate("ab"):
        model = tiny_models.save(folder / f"model-{name}", "llama", seed=number)
        saes = folder / f"saes-{name}"
        saes.mkdir()
        rng = np.random.default_rng(number)
        decoder = rng.normal(size=(48, 32)).astype(np.float32)
        np.savez(saes / "layer_1.sae.npz", W_enc=decoder.T, W_dec=decoder,
                 b_enc=np.full(48, -1, np.float32), b_dec=np.zeros(32, np.float32))  # fmt: skip
        sides[name] = {"model": str(model), "saes": str(saes), "layers": [1], "device": "cpu"}
    return {
        **sides,
        "corpus": {"path": str(text), "max_tokens": 32},
        "pairing": {"method": "by_index"},
        "filters": [{"max_r": 0.99}],
        "measures": [{"sign_agreement": {"threshold": 0.1}}],
        "null": {"draws": 19},
        "force": True,
    }
