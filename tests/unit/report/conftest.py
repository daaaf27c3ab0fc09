"""Made-up runs that the report's tests read."""

from pathlib import Path

import pytest
from planted_run import write_planted_run


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with structure, one layer pair without a score, a ceiling and a control. Read only."""
    folder = tmp_path_factory.mktemp("planted") / "run"
    return write_planted_run(folder, missing=[(3, 0)], controls=["rerandomized"])
