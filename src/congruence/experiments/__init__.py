"""From a configuration to a run's folder of results: grid, cells, pipeline, results store."""

from congruence.experiments.compare import compare
from congruence.experiments.config import RunConfig
from congruence.experiments.config_file import load_config, parse_config
from congruence.experiments.results import Run, load_run

__all__ = ["Run", "RunConfig", "compare", "load_config", "load_run", "parse_config"]
