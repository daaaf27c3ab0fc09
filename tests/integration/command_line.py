"""Running the command line as users do."""

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def in_process(capsys, *arguments: str | Path) -> Done:
    """Run the command line in this process: the same entry point, without starting an interpreter."""
    from congruence.cli.main import main

    logger = logging.getLogger("congruence")
    level, handlers, code = logger.level, list(logger.handlers), 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    return Done(code, *capsys.readouterr())


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "congruence", *map(str, arguments)]


def congruence(*arguments: str | Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout, check=False
    )
