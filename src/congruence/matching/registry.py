"""The table of matchers, their options, and one entry for all of them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from congruence.errors import InputError
from congruence.options import check_arguments
from congruence.records import Matching
from congruence.registry import Registry
from congruence.stats import prepare

Matcher = Callable[..., Matching]
"""(a, b, *, measure, min_cofirings, **options) -> Matching; a and b are PreparedActs."""

MATCHERS: Registry[Matcher] = Registry("matcher", "matchers")

_ANY_METHOD: dict[str, Any] = {"from_": Literal["a", "b"], "keep": Literal["best", "first"]}
# What isn't an option of a configuration: named apart, or an object that only Python can hand over.
_HANDED = ("correlation", "features", "rows")
_GIVEN = ("measure", "min_cofirings", *_HANDED)


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
        options: the method's own, and `from_` and `keep`, as :func:`check_options` reads them.

    Raises:
        ConfigError: no such method, measure or option, or an option's value isn't one.
    """
    matcher = MATCHERS.get(method)
    check_options(method, {name: value for name, value in options.items() if name not in _HANDED})
    foreign = set(_ANY_METHOD) - set(inspect.signature(matcher).parameters)
    options = {name: value for name, value in options.items() if name not in foreign}
    a, b = prepare(acts_a, mask=mask), prepare(acts_b, mask=mask)
    return matcher(a, b, measure=measure, min_cofirings=min_cofirings, **options)


def check_options(method: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a matcher can't take, before anything is computed.

    The matcher's own options are its keyword parameters, and their annotations say which values they take
    (see `congruence.options`). `from_` ("a" or "b": the side whose every feature seeks its best partner) and
    `keep` ("best" or "first") may be given to any method; those they mean nothing to don't get them.

    Args:
        method: a registered matcher.
        options: by name, without `measure` and `min_cofirings`.

    Raises:
        ConfigError: no such method; no such option (names the nearest); or a value of another type or range.
    """
    check_arguments(MATCHERS.get(method), options, f"matcher {method!r}", besides=_ANY_METHOD, but=_GIVEN)


def match_decoders(
    W_dec_a: Float[np.ndarray, "f d"],
    W_dec_b: Float[np.ndarray, "g d"],
    *,
    method: str = "mutual_best",
    **options: Any,
) -> Matching:
    """Pair features by the cosine of their decoder rows, by any matcher.

    Only meaningful within one residual stream: two SAEs of one model, or layers of it (Lan et al. 2024,
    appendix A). `firings` and `cofirings` of the record count model dimensions with a non-zero entry.

    Args:
        W_dec_a, W_dec_b: (f, d_model) and (g, d_model) decoder rows, numpy or torch.
        method, options: as for :func:`match`.

    Raises:
        InputError: the decoders write into spaces of different width.
    """
    if W_dec_a.shape[1] != W_dec_b.shape[1]:
        raise InputError(
            f"W_dec_a has {W_dec_a.shape[1]} dimensions and W_dec_b {W_dec_b.shape[1]}: decoder directions "
            "compare only within one model; match by activations instead"
        )
    return match(W_dec_a.T, W_dec_b.T, method=method, measure="cosine", **options)
