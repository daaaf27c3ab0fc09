"""The `concepts:` section of a run's configuration."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from congruence.concepts import Rule
from congruence.concepts.phrases import FRAMES
from congruence.config.sections import (
    MOST_DRAWS,
    MOST_TOKENS,
    WHY_DRAWS,
    MeasureStep,
    Pairs,
    Section,
    each_once,
)
from congruence.errors import quoted
from congruence.matching.inside import InsidePairing

NULLS = ("pairing", "subset", "size_matched", "unrelated_keywords")
DEFAULT_MEASURES = ("pc1_correlation", "rsa", "linear_cka")


class MultiTokenConfig(Section):
    """One multi-token subspace: phrases of a keyword of one concept followed by a keyword of another."""

    first: str
    """Concept of the first word."""
    second: str
    """Concept of the second word."""
    members: Literal["phrase", "active", "needs_phrase"] = "phrase"
    """``phrase``: features whose top tokens lie inside the phrases; ``active``: all that fire on them, as
    published; ``needs_phrase``: those that fire on the phrase at least `ratio` times as strongly as on either
    word."""
    max_phrases: int | None = Field(default=100, ge=1, le=100_000, description="both models read every one")
    """Most phrases; null: all combinations."""
    likelihood: Literal["all", "likely", "unlikely"] = "all"
    """Only phrases that the corpus has (likely) or hasn't."""
    phrases: list[str] | None = None
    """Phrases of your own, in place of combinations."""
    frames: list[str] = list(FRAMES)
    """Texts with one {} that show a phrase without saying anything about it."""
    ratio: float = Field(default=2.0, gt=0, le=1e6)
    """How many times as strongly as on either word, for a feature to need the phrase."""
    min_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the phrases a feature fires on that it must need, to count as needing phrases."""

    min_strength: float = Field(default=0.25, ge=0, le=1)
    """A feature counts as firing on a phrase from this share of its strongest activation on."""

    @property
    def name(self) -> str:
        """What results call the subspace."""
        kind = "" if self.members == "phrase" else f" ({self.members.replace('_', ' ')})"
        likelihood = "" if self.likelihood == "all" else f", {self.likelihood}"
        return f"{self.first}×{self.second}{likelihood}{kind}"


class InsideConfig(Pairs):
    """How features are paired inside a subspace; the result is 1-to-1."""

    method: Literal["many_to_one", "one_to_one", "greedy", "mutual_best"] = "many_to_one"
    """many_to_one (then 1-to-1 by `keep`), greedy, or mutual_best."""
    keep: Literal["best", "first"] = "best"
    """Of the pairs that share a feature: the best-correlated, or the first by index as published."""
    min_r: float | None = Field(default=None, lt=1)
    """Keep pairs above this similarity; published: none inside subspaces."""
    min_cofirings: int = Field(default=0, ge=0, le=MOST_TOKENS)
    """Keep pairs that fire together on at least this many tokens."""

    def rule(self) -> InsidePairing:
        """As `congruence.matching` takes it."""
        least = float("-inf") if self.min_r is None else self.min_r
        return InsidePairing(self.method, self.from_, self.keep, self.measure, least, self.min_cofirings)


class ConceptsConfig(Section):
    """Concept subspaces of a run."""

    lists: list[str | dict[str, list[str]]] = ["all"]
    """Built-in names, ``all``, files of keyword lists, or {name: [keywords]}."""
    overlaps: list[list[str]] = []
    """Unions of two or more of the concepts."""
    multi_token: list[MultiTokenConfig] = []
    """Phrases of two of the concepts."""
    top_k: int = Field(default=5, ge=1, le=1000, description="every feature keeps so many in memory")
    """Strongest tokens of a feature that are looked at."""
    min_hits: int = Field(default=1, ge=1, le=1000)
    """How many of them must lie on a keyword."""
    min_mass: float = Field(default=0.0, ge=0, le=1)
    """Least share of a feature's activation that falls on the concept."""
    case: Literal["fold", "proper"] = "fold"
    """``fold``: May and may are one, as published; ``proper``: a keyword's capital must be there."""
    pieces: bool = True
    """Count tokens that are a piece of a keyword; false: only whole ones."""
    non_concept: bool = True
    """Leave out features with punctuation, white space or a special token among their top tokens."""
    min_features: int = Field(default=3, ge=3, le=10_000_000)
    """Fewer features on a side, or fewer pairs, are reported as too few."""
    pairing: InsideConfig = InsideConfig()
    """How features are paired inside a subspace."""
    measures: list[MeasureStep] = list(DEFAULT_MEASURES)
    """Measures of the subspaces, as in the run's own list. Others than the default are slow under redrawn
    nulls."""
    nulls: list[Literal["pairing", "subset", "size_matched", "unrelated_keywords"]] = list(NULLS)
    """pairing (Test 1), subset (Test 2), size_matched, unrelated_keywords."""
    draws: int | None = Field(default=None, ge=1, le=MOST_DRAWS, description=WHY_DRAWS)
    """Null scores of each test; default: the run's."""
    keyword_effects: int = Field(default=5, ge=0, le=10_000)
    """Keywords of each concept whose removal is scored, those with most features first."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"lists": [value]}
        if isinstance(value, list):
            return {"lists": value}
        return value

    @field_validator("lists", mode="before")
    @classmethod
    def _one_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping) or (isinstance(value, str) and value.strip()) else value

    @field_validator("lists", "nulls", "overlaps", "multi_token")
    @classmethod
    def _once(cls, value: list[Any]) -> list[Any]:
        return each_once(value)

    @field_validator("lists", "nulls", "measures")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        if not value:
            raise ValueError("name at least one, or leave it out")
        return value

    @field_validator("overlaps")
    @classmethod
    def _at_least_two(cls, value: Any) -> Any:
        for names in value:
            if len(set(names)) < 2:
                raise ValueError(f"an overlap needs two or more different concepts, not {quoted(names)}")
        return value

    @model_validator(mode="after")
    def _hits_within_reach(self) -> "ConceptsConfig":
        if self.min_hits > self.top_k:
            raise ValueError(f"min_hits ({self.min_hits}) can't exceed top_k ({self.top_k})")
        return self

    def rule(self) -> Rule:
        """The thresholds of membership."""
        return Rule(self.top_k, self.min_hits, self.min_mass)
