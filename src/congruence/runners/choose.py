"""The runner that a configuration asks for."""

import importlib.util
import os

from congruence.config.runner import RunnerConfig
from congruence.errors import ConfigError
from congruence.runners.base import Opening, Runner
from congruence.wording import install


def open_runner(config: RunnerConfig, opening: Opening) -> Runner | None:
    """It, not started yet; None where this process does everything.

    Raises:
        ConfigError: Ray isn't installed.
    """
    if config.kind == "serial":
        return None
    if config.kind == "processes":
        from congruence.runners.processes import Processes

        return Processes(opening, workers=config.workers, attempts=config.attempts)
    check_runner(config)
    from congruence.runners.on_ray import OnRay

    return OnRay(
        opening,
        address=config.address,
        workers=config.workers,
        cpus=config.cpus,
        gpus=config.gpus_per_capture,
        attempts=config.attempts,
    )


def check_runner(config: RunnerConfig) -> None:
    """Refuse, before anything is opened, a runner that can't be had here.

    Raises:
        ConfigError: Ray isn't installed, or processes can't be handed a pipe.
    """
    if config.kind == "processes" and os.name == "nt":
        raise ConfigError("runner processes can't be had on Windows: use runner: serial or ray")
    if config.kind == "ray" and importlib.util.find_spec("ray") is None:
        raise ConfigError(f"runner ray needs Ray: {install('ray')}")
