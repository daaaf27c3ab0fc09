"""From a configuration to a run's folder of results: grid, cells, results store."""

import importlib
from typing import TYPE_CHECKING, Any

from congruence.run.results import Run, load_run

if TYPE_CHECKING:
    from congruence.config import RunConfig, load_config, parse_config
    from congruence.run.compare import compare

__all__ = ["Run", "RunConfig", "compare", "load_config", "load_run", "parse_config"]


def __getattr__(name: str) -> Any:
    """Load what computes when it is first used: reading a finished run needs neither torch nor numba."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "congruence.run.compare" if name == "compare" else "congruence.config"
    globals()[name] = getattr(importlib.import_module(home), name)
    return globals()[name]
