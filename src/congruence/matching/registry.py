"""The table of matchers, and one entry for all of them."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from congruence.errors import ConfigError
from congruence.records import Matching
from congruence.registry import Registry
from congruence.stats import prepare

Matcher = Callable[..., Matching]
"""(a, b, *, measure, min_cofirings, **options) -> Matching; a and b are PreparedActs."""

MATCHERS: Registry[Matcher] = Registry("matcher", "matchers")


def match(
    acts_a: Any,
    acts_b: Any,
    *,
    method: str = "many_to_one",
    measure: str = "pearson",
    min_cofirings: int = 1,
    mask: np.ndarray | None = None,
    **options: Any,
) -> Matching:
    """Pair the features of two sides by the named method.

    Args:
        acts_a, acts_b: (n, f) and (n, g) activations of any kind `correlate` takes, or sides prepared once by
            `congruence.stats.prepare` and used for a whole grid.
        method: ``many_to_one``, ``one_to_one``, ``greedy``, ``mutual_best``, ``assignment``, ``transport``,
            or another registered one.
        measure: similarity.
        min_cofirings: pair only features that fire together on at least so many tokens (where above 1).
        mask: (n,) bool, the tokens to keep.
        options: `from_` ("a" or "b": the side whose every feature seeks its best partner) and `keep` ("best"
            or "first") may be given to any method and are used by those they mean something to; any other
            option must be the method's own.

    Raises:
        ConfigError: no such method, measure or option.
    """
    matcher = MATCHERS.get(method)
    known = inspect.signature(matcher).parameters
    foreign = {"from_", "keep"} - set(known)
    options = {name: value for name, value in options.items() if name not in foreign}
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(f"matcher {method!r} has no option {unknown[0]!r}: it takes {', '.join(known)}")
    a, b = prepare(acts_a, mask=mask), prepare(acts_b, mask=mask)
    return matcher(a, b, measure=measure, min_cofirings=min_cofirings, **options)
