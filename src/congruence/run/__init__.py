"""From a configuration to a run's folder of results: grid, cells, results store."""

import importlib
from typing import TYPE_CHECKING, Any

from congruence.careful import guard
from congruence.run.opening import load_run
from congruence.run.results import Run
from congruence.run.several.results import ModelsRun

if TYPE_CHECKING:
    from congruence.config import RunConfig, load_config, parse_config
    from congruence.run.compare import compare
    from congruence.run.side_by_side import compare_runs

__all__ = [
    "ModelsRun",
    "Run",
    "RunConfig",
    "compare",
    "compare_runs",
    "load_config",
    "load_run",
    "parse_config",
]

guard(globals(), ("ModelsRun", "Run", "load_run"))


def __getattr__(name: str) -> Any:
    """Load what computes when it is first used: reading a finished run needs neither torch nor numba."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {"compare": "congruence.run.compare", "compare_runs": "congruence.run.side_by_side"}
    home = homes.get(name, "congruence.config")
    globals()[name] = getattr(importlib.import_module(home), name)
    guard(globals(), (name,))
    return globals()[name]
