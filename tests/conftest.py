"""Shared fixtures, and run-time checks of array shapes while tests run."""

import os
from pathlib import Path

import jaxtyping
import pytest

import shape_checks

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does: tests share the cores
os.environ.setdefault("MPLBACKEND", "Agg")

if not jaxtyping.config.jaxtyping_disable:  # JAXTYPING_DISABLE=1: where a test is repeated for something else
    jaxtyping.install_import_hook(shape_checks.checked(), "shape_checks.typechecked")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config) -> int:
    """Whole suites run in a process a core, four at most; tests named one by one in the process at hand."""
    return min(os.cpu_count() or 1, 4) if config.args == config.getini("testpaths") else 0


@pytest.hookimpl(trylast=True)  # after those that are not asked for are taken out
def pytest_collection_modifyitems(items) -> None:
    """The many short calibrations stand at the end of either half: two workers steal short tests from each other."""
    of_calibration = [item.path.parent.name == "calibration" and "slow" in item.keywords for item in items]
    short = [item for item, here in zip(items, of_calibration, strict=True) if here]
    rest = [item for item, here in zip(items, of_calibration, strict=True) if not here]
    half, middle = len(short) // 2, len(rest) // 2
    items[:] = rest[:middle] + short[:half] + rest[middle:] + short[half:]


SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with a real model and real text, for tests that use more than the package carries."""
    if not (SHARED / "models" / "stories15M" / "model.safetensors").exists():
        pytest.skip("the shared folder with models/stories15M is not beside the checkout")
    return SHARED
