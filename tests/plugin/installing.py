"""Installing a package into a folder of its own, and running Python that sees it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Python = Callable[..., subprocess.CompletedProcess[str]]


def install(source: Path, target: Path) -> Path:
    """Install a package into a folder, offline."""
    building = target.with_name(f"{target.name}-source")
    shutil.copytree(source, building)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
               "--no-index", "--disable-pip-version-check", "--target", str(target), str(building)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return target


def python_with(folder: Path) -> Python:
    """Runs `python …` with a folder's packages installed beside the others."""

    def run(*arguments: str | Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "NO_COLOR": "1", "COLUMNS": "200"}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run
