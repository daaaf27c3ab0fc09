"""Which pairs are right: every matcher over thresholds of r, every filter, and the null of the best r."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from congruence.filters import FILTERS, FilterStep, Pairs, apply_filters
from congruence.matching import MATCHERS, match, null_of_best_r
from congruence.records import Matching
from congruence.rng import derive
from congruence.significance import benjamini_hochberg
from congruence.stats import PreparedActs, prepare, top_tokens
from congruence.synthetic.study.size import Size
from congruence.synthetic.study.task import Rows, Task, row, world_seed
from congruence.synthetic.world import World

GIVEN = ("crosscoder", "decoder_cosine")
"""Matchers that search for nothing: their pairs are given."""

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "noisy": {"jitter": 0.6, "missed": 0.5},
    "correlated": {"jitter": 0.6, "missed": 0.5, "correlation": 0.8, "hierarchy": 0.5},
    "few tokens": {"jitter": 0.6, "missed": 0.5, "tokens": 2000},
    "split": {"splitting": 0.5, "split_into": 3},
    "absorbed": {"hierarchy": 0.5, "absorption": 1.0},
}
"""Kinds of worlds for pairing, half of the features shared in each."""

IN_WORDS = {
    "plain": "5 % of firings missed by each model, strength off by a factor of e^±0.2",
    "noisy": "half of the firings missed by each model, strength off by e^±0.6",
    "correlated": "noisy; four fifths of a feature's firing inside its topic, half of the features children",
    "few tokens": "noisy, read on 2,000 tokens",
    "split": "plain; half of the shared features are three features in B",
    "absorbed": "plain; half of the features children, each of which has absorbed its parent in B",
}

THRESHOLDS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

_FILTERED = ("plain", "noisy", "correlated", "few tokens")
_VALUES: dict[str, tuple[dict[str, Any], ...]] = {
    "min_r": tuple({"value": value} for value in (0.1, 0.2, 0.3, 0.5)),
    "min_cofirings": tuple({"value": value} for value in (2, 5, 20)),
    "min_firings": tuple({"value": value} for value in (5, 20)),
    "min_margin": tuple({"value": value} for value in (0.0, 0.05, 0.1, 0.2)),
    "one_to_one": ({"keep": "best"}, {"keep": "first"}),
}
TOP = 5


def tasks(size: Size) -> list[Task]:
    """Matchers and filters in every kind of world; the null of the best r where half or nothing is shared."""
    found = []
    for number in range(size.worlds):
        for kind, options in KINDS.items():
            asked = _options(size, "pairing", kind, number) | options
            found.append(Task("matchers", kind, asked, {"thresholds": THRESHOLDS}, matchers_on))
            if kind in _FILTERED:
                settings = {"filters": _settings(), "draws": size.pair_draws}
                found.append(
                    Task("filters", kind, asked, settings, lambda world: filters_on(world, size.pair_draws))
                )
        for kind in ("noisy", "correlated"):
            for share in (0.0, 0.5):
                options = KINDS[kind] | ({"correlation": 0.0, "hierarchy": 0.0} if kind == "noisy" else {})
                asked = _options(size, "best r", kind, number) | options | {"shared": share}
                kind_named = "independent" if kind == "noisy" else kind
                found.append(
                    Task("best r", kind_named, asked, {"draws": size.pair_draws},
                         lambda world: best_r_on(world, size.pair_draws))
                )  # fmt: skip
    return found


def _options(size: Size, *path: str | int) -> dict[str, Any]:
    return {
        "features": size.features,
        "tokens": size.tokens,
        "seed": world_seed(size.seed, *path),
    }


def matchers_on(world: World) -> Rows:
    """Coverage, precision and recall of every matcher at every threshold of r."""
    a, b = (prepare(model.acts()) for model in world.models)
    found = []
    for method in (name for name in MATCHERS if name not in GIVEN):
        pairs = _match(a, b, method)
        for threshold in THRESHOLDS:
            kept = pairs.select(pairs.r > threshold)
            found += [
                row(method, f"r > {threshold:g}", quantity, value)
                for quantity, value in judged(world, kept).items()
            ]
    return found


def _match(a: PreparedActs, b: PreparedActs, method: str) -> Matching:
    """Pairs; that transport's margins are some 1e-6 off is nothing that a study's reader can mend."""
    log = logging.getLogger("congruence.matching.transport")
    before, log.disabled = log.disabled, True
    try:
        return match(a, b, method=method)
    finally:
        log.disabled = before


def judged(world: World, pairs: Matching) -> dict[str, float]:
    """How good pairs are.

    coverage: pairs for each feature of the smaller side; precision: share of pairs of one concept, NaN where
    there are none; recall: share of the shared concepts of which a pair was found.
    """
    right = world.truth.are_partners(pairs.feature_a, pairs.feature_b)
    concepts = np.unique(world.truth.concept[0][pairs.feature_a[right]])
    features = min(len(world.truth.concept[0]), len(world.truth.concept[1]))
    return {
        "coverage": len(pairs) / features,
        "precision": right.mean() if len(right) else np.nan,
        "recall": len(concepts) / world.truth.n_shared if world.truth.n_shared else np.nan,
    }


def _settings() -> list[tuple[str, dict[str, Any]]]:
    return [(name, options) for name in FILTERS for options in _VALUES.get(name, ({},))]


def filters_on(world: World, draws: int) -> Rows:
    """What each filter alone leaves of the best A of every B feature."""
    pairs = pairs_of(world, draws)
    before = judged(world, pairs.matching)
    found = [row("(no filter)", "", name, value) for name, value in before.items()]
    for name, options in _settings():
        kept = apply_filters(pairs, [FilterStep(name, options)]).pairs.matching
        label = ", ".join(f"{value}" for value in options.values())
        found += [row(name, label, quantity, value) for quantity, value in judged(world, kept).items()]
    return found


def pairs_of(world: World, draws: int) -> Pairs:
    """Many-to-one pairs with top tokens and the p of their r, as a run's filters see them."""
    acts = [prepare(model.acts(), document_offsets=world.document_offsets) for model in world.models]
    matching = match(*acts, method="many_to_one", from_="b")
    matching = _with_null(world, acts, matching, draws)
    top_a, top_b = (top_tokens(side, world.token_ids, k=TOP).token_ids for side in acts)
    return Pairs(matching, top_a[matching.feature_a], top_b[matching.feature_b], world.strings)


def best_r_on(world: World, draws: int) -> Rows:
    """The p of each best r against unrelated text, where it is known which pairs are no pairs."""
    acts = [prepare(model.acts(), document_offsets=world.document_offsets) for model in world.models]
    matching = _with_null(world, acts, match(*acts, method="many_to_one", from_="b"), draws)
    right = world.truth.are_partners(matching.feature_a, matching.feature_b)
    own = ~world.truth.is_shared(1)[matching.feature_b]
    assert matching.p_r is not None
    claimed = benjamini_hochberg(matching.p_r) <= 0.05
    wrong = claimed & ~right
    found = {
        "p ≤ .05 of B's own features": (matching.p_r[own] <= 0.05).mean(),
        "wrong among those with q ≤ .05": wrong.sum() / max(1, claimed.sum()),
        "claimed with q ≤ .05": claimed.mean(),
    }
    if right.any():
        found["right pairs with q ≤ .05"] = claimed[right].mean()
    return [row("best r", f"{draws} draws", name, value) for name, value in found.items()]


def _with_null(world: World, acts: list[Any], matching: Matching, draws: int) -> Matching:
    rng = derive(world.options.seed, "best r")
    null_r, p_r = null_of_best_r(acts[0], acts[1], matching, rng=rng, draws=draws, from_="b")
    return replace(matching, null_r=null_r, p_r=p_r)
