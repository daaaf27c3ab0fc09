"""What is done with every cell, checked once: filters, measures, nulls, and how pairs are made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from congruence.config.run import RunConfig
from congruence.config.steps import filter_steps, measures_of, null_of
from congruence.filters import FilterStep
from congruence.matching import match, one_of_each, with_constant_features
from congruence.metrics import Measure
from congruence.nulls import Null, make_null
from congruence.records import Alternative, Matching
from congruence.stats import PreparedActs

STAGE_VERSION = 3


@dataclass(frozen=True)
class NullSettings:
    """How every score of a run is tested.

    Attributes:
        seed: the run's, from which draws derive.
        alternative: which scores are extreme.
        stop_after: stop a test once so many draws are.
        plus_one: p counts the observed score among the draws.
    """

    seed: int = 0
    alternative: Alternative = "greater"
    stop_after: int | None = None
    plus_one: bool = True


@dataclass(frozen=True)
class Plan:
    """What is done with every cell.

    Attributes:
        config: the whole configuration.
        filters: with the 1-to-1 step in its place.
        measures, null: of the whole space.
        concept_measures, concept_nulls: of concept subspaces; empty where none are compared.
    """

    config: RunConfig
    filters: Sequence[FilterStep]
    measures: Sequence[Measure]
    null: Null
    concept_measures: Sequence[Measure] = ()
    concept_nulls: Sequence[Null] = ()

    @classmethod
    def of(cls, config: RunConfig) -> "Plan":
        """Check names and options once for all cells.

        Raises:
            ConfigError: one isn't known.
        """
        concepts = config.concepts
        return cls(
            config,
            filter_steps(config),
            measures_of(config.measures),
            null_of(config),
            measures_of(concepts.measures, of=" of concepts") if concepts else (),
            [make_null(name) for name in concepts.nulls] if concepts else (),
        )

    @property
    def null_settings(self) -> NullSettings:
        """How every score is tested."""
        null = self.config.null
        return NullSettings(self.config.seed, null.alternative, null.stop_after, null.plus_one)

    def pair(self, acts_a: Any, acts_b: Any, **handed: Any) -> Matching:
        """The run's matcher on two sides' activations, prepared or not; filters come after it.

        Args:
            acts_a, acts_b: the activations.
            handed: what a matcher takes that no configuration can say, such as the features of a crosscoder.
        """
        pairing = self.config.pairing
        return match(
            acts_a,
            acts_b,
            method="many_to_one" if pairing.method == "one_to_one" else pairing.method,
            measure=pairing.measure,
            min_cofirings=pairing.min_cofirings,
            from_=pairing.from_,
            **pairing.options,
            **handed,
        )

    def as_told(self, found: Matching, acts_a: PreparedActs, acts_b: PreparedActs) -> Matching:
        """Pairs by Pearson's r as the run tells them: with features that never vary, r times (n − 1)/n.

        Both are off unless `pairing` asks for what the code of Lan et al. 2024 does: it makes z-scores by
        n − 1, divides their products by n, and so gives a feature that never varies r = 0 with all.
        """
        pairing = self.config.pairing
        if found.measure != "pearson":
            return found
        if pairing.constant_features and found.method == "many_to_one":
            found = with_constant_features(found, acts_a, acts_b, from_=pairing.from_)
        if not pairing.over_n:
            return found
        share = (acts_a.moments.n - 1) / acts_a.moments.n
        null_r = None if found.null_r is None else found.null_r * share
        return replace(found, r=found.r * share, margin=found.margin * share, null_r=null_r)

    def pair_again(self, acts_a: Any, acts_b: Any) -> Matching:
        """What nulls that draw features or text pair by: the matcher, and 1-to-1 where the run is.

        Filters by token would leave nothing of pairs found in random features or on unrelated text.
        """
        found = self.pair(acts_a, acts_b)
        keep = next((s.options.get("keep", "best") for s in self.filters if s.name == "one_to_one"), None)
        if keep is None:
            return found
        return found.select(one_of_each(found.feature_a, found.feature_b, found.r, keep=keep))

    def pair_strongest(self, acts_a: Any, acts_b: Any, most: int) -> tuple[Int[np.ndarray, " p"], ...]:
        """The same, cut to the `most` best-correlated: a score of few pairs can't be held against many."""
        found = self.pair_again(acts_a, acts_b)
        found = found.select(np.sort(np.argsort(-found.r, kind="stable")[:most]))
        return found.feature_a, found.feature_b

    def key_parts(self) -> dict[str, Any]:
        """What a cell's answer depends on besides its features."""
        config = self.config
        return {
            "stage_version": STAGE_VERSION,
            "pairing": config.pairing.model_dump(),
            "filters": [[step.name, dict(step.options)] for step in self.filters],
            "measures": [measure.key for measure in self.measures],
            "null": config.null.model_dump(),
            "interval": config.interval.model_dump() if config.interval else None,
            "seed": config.seed,
            "top_tokens": config.top_tokens,
            "min_pairs": config.min_pairs,
        }
