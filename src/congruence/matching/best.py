"""Best partners: every feature of one side takes its own, one-to-one by filtering that, mutual best."""

from dataclasses import replace
from typing import Literal

import numpy as np

from congruence.errors import ConfigError
from congruence.matching.one_of_each import one_of_each
from congruence.matching.pairs import Found, matching_of
from congruence.matching.registry import MATCHERS
from congruence.records import Matching
from congruence.stats import Correlation, PreparedActs, correlate


def many_to_one(correlation: Correlation, *, from_: Literal["a", "b"] = "b") -> Matching:
    """Each feature of side `from_` takes its most similar partner on the other; partners may repeat.

    ``from_="b"`` gives each B feature its best A, in the order of the B features: what the code of Lan et al.
    2024 does and calls "ManyA-to-1B". ``from_="a"`` gives each A feature its best B, as in Son et al. 2025.
    Maximises the similarity of each feature on its own.

    Raises:
        ConfigError: `from_` is neither.
    """
    if from_ not in ("a", "b"):
        raise ConfigError(f"from_ is {from_!r}: give 'a' or 'b', the side whose features seek partners")
    best = correlation.b_to_a if from_ == "b" else correlation.a_to_b
    seeker = np.flatnonzero(best.indices[:, 0] >= 0)
    found = best.indices[seeker, 0]
    feature_a, feature_b = (found, seeker) if from_ == "b" else (seeker, found)
    return matching_of(
        correlation,
        Found(feature_a, feature_b, best.values[seeker, 0], best.cofirings[seeker, 0]),
        method="many_to_one",
        objective=f"each {from_.upper()} feature's own similarity",
        from_=from_,
    )


def one_to_one(
    pairs: Correlation | Matching, *, from_: Literal["a", "b"] = "b", keep: Literal["best", "first"] = "best"
) -> Matching:
    """After the many-to-one step, keep one pair for each repeated feature.

    ``keep="first"`` keeps the pair whose seeking feature has the lowest index, as published (Lan et al. 2024,
    appendix F, filter 3); ``keep="best"`` the one of highest similarity, ties to the first.

    Args:
        pairs: a matching in the order of its seeking features, or a correlation to make one from.
        from_: the seeking side, where a correlation is given.
        keep: which of several pairs stays.

    Raises:
        ConfigError: `keep` or `from_` is unknown.
    """
    matching = many_to_one(pairs, from_=from_) if isinstance(pairs, Correlation) else pairs
    kept = one_of_each(matching.feature_a, matching.feature_b, matching.r, keep=keep)
    return _narrowed(matching, kept, keep)


def _narrowed(matching: Matching, kept: np.ndarray, keep: str) -> Matching:
    chosen = matching.select(kept)
    objective = f"{matching.objective}, the {keep} pair of each feature"
    return replace(chosen, method="one_to_one", objective=objective, total=float(chosen.r.sum()))


@MATCHERS.register("many_to_one")
def match_many_to_one(
    a: PreparedActs, b: PreparedActs, *, measure: str, min_cofirings: int, from_: Literal["a", "b"] = "b"
) -> Matching:
    """Correlate, then :func:`many_to_one`."""
    correlation = correlate(a, b, measure=measure, top_k=2, min_cofirings=min_cofirings)
    return many_to_one(correlation, from_=from_)


@MATCHERS.register("one_to_one")
def match_one_to_one(
    a: PreparedActs,
    b: PreparedActs,
    *,
    measure: str,
    min_cofirings: int,
    from_: Literal["a", "b"] = "b",
    keep: Literal["best", "first"] = "best",
) -> Matching:
    """Correlate, then :func:`one_to_one`."""
    correlation = correlate(a, b, measure=measure, top_k=2, min_cofirings=min_cofirings)
    return one_to_one(correlation, from_=from_, keep=keep)


def mutual_best(correlation: Correlation) -> Matching:
    """The pairs whose features are each other's best partner, in the order of the A features.

    Maximises the similarity of both features of every pair at once; features without such a partner stay out.
    """
    best = correlation.a_to_b
    feature_a = np.flatnonzero(best.indices[:, 0] >= 0)
    feature_b = best.indices[feature_a, 0]
    both = correlation.b_to_a.indices[feature_b, 0] == feature_a
    feature_a, feature_b = feature_a[both], feature_b[both]
    return matching_of(
        correlation,
        Found(feature_a, feature_b, best.values[feature_a, 0], best.cofirings[feature_a, 0]),
        method="mutual_best",
        objective="both features' own similarity",
    )


@MATCHERS.register("mutual_best")
def match_mutual_best(a: PreparedActs, b: PreparedActs, *, measure: str, min_cofirings: int) -> Matching:
    """Correlate, then :func:`mutual_best`."""
    return mutual_best(correlate(a, b, measure=measure, top_k=2, min_cofirings=min_cofirings))
