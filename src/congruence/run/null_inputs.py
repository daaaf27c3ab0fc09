"""What each null needs of a cell beyond the paired rows: firing rates, or the means to pair again."""

from collections.abc import Callable
from typing import Any

import numpy as np

from congruence.config.run import RunConfig
from congruence.config.steps import resolved_pairing
from congruence.errors import ConfigError
from congruence.filters import Filtered
from congruence.matching import match
from congruence.records import Matching
from congruence.registry import Registry
from congruence.run.layer_features import LayerFeatures

Inputs = Callable[[LayerFeatures, LayerFeatures, Filtered, RunConfig], dict[str, Any]]
"""(a, b, what the filters kept, config) -> keyword arguments of `permutation_test`."""

NULL_INPUTS: Registry[Inputs] = Registry("null", "null_inputs")


def check_null(config: RunConfig) -> None:
    """Refuse a null that a configuration can't give what it needs."""
    if config.null.kind not in NULL_INPUTS:
        raise ConfigError(
            f"null {config.null.kind!r} can't be run from a configuration: use one of "
            f"{', '.join(NULL_INPUTS.names())}, or call congruence.significance.permutation_test"
        )


@NULL_INPUTS.register("pairing")
def pairing(a, b, kept, config) -> dict[str, Any]:
    """Nothing: rows are shuffled."""
    return {}


@NULL_INPUTS.register("firing_rate")
def firing_rate(a, b, kept, config) -> dict[str, Any]:
    """How often each paired feature of B fires, in at most 10 strata of two rows or more."""
    rates = kept.pairs.matching.firings_b
    return {"rates": rates, "strata": max(1, min(10, len(rates) // 2))}


@NULL_INPUTS.register("subset")
def subset(a, b, kept, config) -> dict[str, Any]:
    """As many live features of each side as were kept, paired inside by the run's matcher."""

    def rematch(features_a: np.ndarray, features_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = pair_acts(a.matrix[:, features_a], b.matrix[:, features_b], config)
        inside = inside.select(_first_of_each(inside))
        return features_a[inside.feature_a], features_b[inside.feature_b]

    size = len(kept.pairs.matching)
    return {
        "spaces": (a.W_dec, b.W_dec),
        "sizes": (size, size),
        "rematch": rematch,
        "pools": (a.live, b.live),
        "min_pairs": config.min_pairs,
    }


@NULL_INPUTS.register("document_shift")
def document_shift(a, b, kept, config) -> dict[str, Any]:
    """Both sides' activations, and the run's pairing to run again, 1-to-1.

    Filters by token would leave nothing of pairs found on unrelated text, and a score of few pairs can't be
    held against one of many: of the pairs found, as many as were kept are taken, best-correlated first.
    """
    size = len(kept.pairs.matching)

    def pair(acts_a: Any, acts_b: Any) -> Matching:
        found = pair_acts(acts_a, acts_b, config)
        found = found.select(_first_of_each(found))
        return found.select(np.sort(np.argsort(-found.r, kind="stable")[:size]))

    return {
        "acts": (a.matrix, b.matrix),
        "spaces": (a.W_dec, b.W_dec),
        "pair": pair,
        "document_offsets": b.document_offsets,
    }


def pair_acts(acts_a: Any, acts_b: Any, config: RunConfig) -> Matching:
    """The run's matcher on two sides' activations, prepared or not."""
    method, options = resolved_pairing(config.pairing)
    return match(
        acts_a,
        acts_b,
        method=method,
        measure=config.pairing.measure,
        min_cofirings=config.pairing.min_cofirings,
        **options,
    )


def _first_of_each(matching: Matching) -> np.ndarray:
    """The best pair of each feature on either side: the papers' subsets are 1-to-1."""
    kept, seen_a, seen_b = [], set(), set()
    for index in np.argsort(-matching.r, kind="stable"):
        pair = int(matching.feature_a[index]), int(matching.feature_b[index])
        if pair[0] not in seen_a and pair[1] not in seen_b:
            kept.append(index)
            seen_a.add(pair[0])
            seen_b.add(pair[1])
    return np.sort(np.array(kept, dtype=np.int64))
