"""From a configuration to a run's folder of results: grid, cells, results store."""

from congruence.config import RunConfig, load_config, parse_config
from congruence.run.compare import compare
from congruence.run.results import Run, load_run

__all__ = ["Run", "RunConfig", "compare", "load_config", "load_run", "parse_config"]
