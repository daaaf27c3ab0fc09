"""What makes an SAE: its architecture, and the schedule it is trained by."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Architecture = Literal["topk", "batchtopk", "matryoshka", "jumprelu", "gated", "relu"]

_TOPK = {"k", "dead_coefficient"}
_L1 = {"l1_coefficient", "l1_warm_up"}
OPTIONS: dict[str, set[str]] = {
    "topk": _TOPK,
    "batchtopk": _TOPK,
    "matryoshka": _TOPK | {"widths"},
    "jumprelu": {"l0_coefficient", "l0_warm_up"},
    "gated": _L1,
    "relu": _L1,
}
"""Architecture -> the options that only it (and its relatives) have."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SaeSettings(_Section):
    """The SAE: one of sae-lens' architectures and its sparsity."""

    architecture: Architecture = "topk"
    """topk, batchtopk, matryoshka (nested BatchTopK), jumprelu, gated, or relu (ReLU with an L1 penalty)."""
    expansion: float = Field(default=8, gt=0)
    """d_sae as a multiple of the model's width; `d_sae` overrides it."""
    d_sae: int | None = Field(default=None, ge=2)
    """Number of features."""
    k: int = Field(default=32, ge=1)
    """Features active on a token (TopK) or on average (BatchTopK, matryoshka)."""
    dead_coefficient: float = Field(default=1.0, ge=0)
    """Weight of the loss that lets dead features explain what the living leave over (TopK family)."""
    widths: list[int] | None = None
    """Nested dictionary sizes of a matryoshka SAE, smallest first; default: d_sae / 8, / 4, / 2 and d_sae."""
    l1_coefficient: float = Field(default=1.0, ge=0)
    """Weight of the L1 penalty (relu, gated)."""
    l1_warm_up: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps over which the L1 penalty grows from 0."""
    l0_coefficient: float = Field(default=1.0, ge=0)
    """Weight of the L0 penalty (jumprelu)."""
    l0_warm_up: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps over which the L0 penalty grows from 0."""
    sae_lens: dict[str, Any] = {}
    """Further fields of sae-lens' training config of that architecture, as they are."""

    @model_validator(mode="after")
    def _options_belong(self) -> "SaeSettings":
        foreign = self.model_fields_set & (set().union(*OPTIONS.values()) - OPTIONS[self.architecture])
        if foreign:
            known = ", ".join(sorted(OPTIONS[self.architecture]))
            raise ValueError(f"{min(foreign)} isn't an option of {self.architecture}: it has {known}")
        return self

    def features(self, d_in: int) -> int:
        """d_sae for a hook of width `d_in`."""
        return self.d_sae or round(self.expansion * d_in)


class TrainingSettings(_Section):
    """Steps, batches and the learning rate."""

    steps: int = Field(default=3000, ge=1)
    """Optimizer steps."""
    batch: int = Field(default=2048, ge=1)
    """Tokens in a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate of Adam."""
    warm_up: float = Field(default=0.02, ge=0, le=1)
    """Share of the steps over which the learning rate grows linearly from 0."""
    decay: float = Field(default=0.2, ge=0, le=1)
    """Share of the steps at the end over which it falls linearly to 0."""
    normalize_inputs: bool = True
    """Train on activations scaled to a mean norm of √d_in; the scale is folded into the stored weights."""
    start_at_mean: bool = True
    """Let b_dec start at the mean activation instead of 0."""
    mixed_precision: bool = False
    """Matrix products in bfloat16: about twice as fast where the processor has them, else left out."""
    dead_after: int = Field(default=100, ge=1)
    """Steps without firing after which a feature counts as dead while training."""
    buffer: int = Field(default=65_536, ge=1)
    """Tokens whose activations are held in memory and shuffled together."""
    checkpoint_every: int = Field(default=250, ge=1)
    """Steps between checkpoints."""

    @model_validator(mode="after")
    def _phases_fit(self) -> "TrainingSettings":
        if self.warm_up + self.decay > 1:
            raise ValueError(
                f"warm_up + decay = {self.warm_up + self.decay:g}: together they may be at most 1"
            )
        if self.buffer < self.batch:
            raise ValueError(f"buffer = {self.buffer} holds less than a batch of {self.batch}: raise it")
        return self
