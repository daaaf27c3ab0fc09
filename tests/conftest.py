"""Shared fixtures, and run-time checks of array shapes while tests run."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

import shape_checks

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")

install_import_hook(shape_checks.checked(), "shape_checks.typechecked")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with a real model and real text, for tests that use more than the package carries."""
    if not (SHARED / "models" / "stories15M" / "model.safetensors").exists():
        pytest.skip("the shared folder with models/stories15M is not beside the checkout")
    return SHARED
