"""congruence: how alike are the features two language models have learned, and is that more than chance?"""

import importlib
from typing import TYPE_CHECKING

from congruence.caches import settle_kernel_cache

__version__ = "0.1.0"

_PUBLIC = {
    "compare": "congruence.run",
    "compare_runs": "congruence.run",
    "load_run": "congruence.run",
    "load_sae": "congruence.saes",
    "load_model": "congruence.models",
}
_SUBPACKAGES = (
    "activations", "concepts", "config", "doctor", "filters", "function", "matching", "metrics", "models",
    "nulls", "recipes", "report", "run", "saes", "several", "significance", "sides", "stats", "synthetic",
    "training", "transfer", "wordlists",
)  # fmt: skip

__all__ = ["__version__", "compare", "compare_runs", "load_model", "load_run", "load_sae"]

settle_kernel_cache()

if TYPE_CHECKING:
    from congruence.models import load_model
    from congruence.run import compare, compare_runs, load_run
    from congruence.saes import load_sae


def __getattr__(name: str):
    """Load a public name or subpackage when it is first used, so that importing stays instant."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"congruence.{name}")
    raise AttributeError(f"module 'congruence' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES])
