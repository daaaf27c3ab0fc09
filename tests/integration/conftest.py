"""A small comparison of the embedded models."""

from pathlib import Path

import pytest
import yaml

from congruence.recipes import demo
from congruence.recipes.demo import demo_folder


@pytest.fixture(scope="session")
def demo_assets() -> Path:
    return demo_folder()


@pytest.fixture
def small_config(demo_assets) -> dict:
    """2 x 2 layers, 60 documents and 50 draws of the demo."""
    config = demo(draws=50).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    config["a"] |= {"layers": [1, 2]}
    config["b"] |= {"layers": [2, 3]}
    config["corpus"] |= {"documents": 60}
    return config


@pytest.fixture
def write_config(tmp_path):
    def write(config: dict) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    return write
