"""The configuration of a run: what is compared, on which text, how pairs are made, scored and tested."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from congruence.config.concepts import ConceptsConfig
from congruence.config.quirks import known_quirks
from congruence.config.runner import RunnerConfig
from congruence.config.sections import (
    CorpusConfig,
    IntervalConfig,
    MeasureStep,
    NullConfig,
    PairingConfig,
    Section,
    SideConfig,
    Step,
    VerdictsConfig,
    each_once,
    read_functions,
)

__all__ = ["RunConfig"]


class RunConfig(Section):
    """A whole comparison."""

    a: SideConfig
    """The first model; rows of the heat maps."""
    b: SideConfig
    """The second model; columns of the heat maps."""
    corpus: CorpusConfig
    """The text."""
    pairing: PairingConfig = PairingConfig()
    """How features are paired."""
    filters: list[Step] = [
        "non_concept",
        "shared_token",
        {"min_r": 0.1},
        {"min_cofirings": 5},
    ]
    """Filters of pairs, in order: a name, {name: value}, or {name: {option: value}}."""
    measures: list[MeasureStep] = [
        "translation_accuracy",
        "pc1_correlation",
        {"svcca": {"n_components": "n/10"}},
        "rsa",
    ]
    """Measures of likeness of the paired decoder rows: a name, {name: {option: value}}, or
    {file: my_measure.py, name: f} for a function of your own."""
    null: NullConfig = NullConfig()
    """What scores are tested against."""
    interval: IntervalConfig | None = None
    """Intervals beside the scores of the whole space (columns `low`, `high`)."""
    controls: list[str] = []
    """Further grids beside the real one: rerandomized, untrained_sae, frozen_decoder, neurons,
    other_seed."""
    verdicts: VerdictsConfig | None = VerdictsConfig()
    """Which features are shared, which aren't, and which can't be told (features.parquet); false: none."""
    function: Annotated[list[Step], BeforeValidator(read_functions)] = []
    """What else is asked of each layer pair. ``transfer``, or ``{transfer: {maps: [affine], tokens: 9000}}``:
    do hidden states, and features, move from one model to the other by a linear map? ``stitching``,
    ``logit_weights``, ``substitution``: does the other model go on the same, do paired features?"""
    concepts: ConceptsConfig | None = None
    """Concept subspaces beside the whole space: ``all`` (the eight published lists), names, or a section."""
    decoder_map: Literal["pca", "umap"] = "pca"
    """How pages lay the decoder rows of a layer out in the plane: pca, or umap (extra `umap`). No number
    depends on it."""
    top_tokens: int = Field(default=5, ge=1, le=1000, description="every feature keeps so many in memory")
    """Strongest tokens kept for each feature."""
    fill_top_tokens: bool = False
    """Fill the list of a feature that fires on fewer tokens with the first tokens on which it is silent, as
    published."""
    min_pairs: int = Field(default=3, ge=3, le=10_000_000)
    """A layer pair with fewer pairs than this is reported as too few, without a score."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Everything random derives from it."""
    batch_tokens: int = Field(default=8192, ge=1, le=2**26, description="all of a batch is held in memory")
    """Tokens in one forward pass."""
    quirks: list[str] = []
    """Ways of the published code to follow, by name (`congruence list quirks`); each sets the options that it
    comes down to, whatever they say."""
    runner: RunnerConfig = RunnerConfig()
    """Who does the work: serial, processes or ray, or a section. No result depends on it."""
    cache: str | None = None
    """A folder or URL (s3://bucket/name) where captures and cells are kept for every run that needs the same:
    who comes second computes nothing twice. No result depends on it."""
    force: bool = False
    """Run although the doctor finds errors, or what it will take is absurd; what is wrong is logged."""

    @field_validator("controls", "quirks")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        return each_once(value)

    @field_validator("verdicts", mode="before")
    @classmethod
    def _on_or_off(cls, value: Any) -> Any:
        return (VerdictsConfig() if value else None) if isinstance(value, bool) else value

    @field_validator("quirks")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        return known_quirks(value)

    @model_validator(mode="before")
    @classmethod
    def _features_of_a_crosscoder(cls, value: Any) -> Any:
        """Where features are paired by a crosscoder, they are its own on both sides."""
        pairing = value.get("pairing") if isinstance(value, dict) else None
        method = pairing.get("method") if isinstance(pairing, dict) else getattr(pairing, "method", None)
        if method != "crosscoder":
            return value
        sides = {name: value[name] for name in ("a", "b") if isinstance(value.get(name), dict)}
        return {**value, **{name: {"features": "crosscoder", **side} for name, side in sides.items()}}
