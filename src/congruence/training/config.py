"""The configuration of `congruence train-sae`."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from congruence.config.sections import CorpusConfig, Section
from congruence.training import SaeSettings, TrainingSettings


class TrainSaeConfig(Section):
    """SAEs for some layers of one language model, each from one or more seeds."""

    model: str
    """Hub id or folder of the language model."""
    corpus: CorpusConfig
    """The text whose activations they are trained on; as in a comparison."""
    hook: str = "resid_post"
    """What of each block is read: resid_post, resid_pre, mlp_out, attn_out, …"""
    layers: Literal["all"] | list[int] = "all"
    """Blocks, counted from 0."""
    seeds: list[int] = Field(default=[0], min_length=1)
    """One SAE a layer and seed; a seed decides the first weights and the order of the data."""
    sae: SaeSettings = SaeSettings()
    """Architecture and sparsity."""
    training: TrainingSettings = TrainingSettings()
    """Steps, batches, learning rate."""
    held_out: CorpusConfig | None = None
    """Text on which the final figures are measured; default: `held_out_documents` of the corpus."""
    held_out_documents: int = Field(default=200, ge=1)
    """Documents at the end of the corpus that are not trained on, where `held_out` isn't given."""
    format: Literal["saelens", "sparsify"] = "saelens"
    """How the SAEs are stored; sparsify knows TopK only."""
    store_dtype: Literal["float32", "float16"] = "float32"
    """Type of the stored numbers; the figures are measured after rounding to it."""
    device: str = "auto"
    """``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Type the language model computes in; ``auto``: float32 on a CPU, the stored type on a GPU."""
    batch_tokens: int = Field(default=8192, ge=1)
    """Tokens in one forward pass of the language model."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; default: as torch chooses."""

    @field_validator("layers", "seeds", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("layers", "seeds")
    @classmethod
    def _distinct(cls, value: Any) -> Any:
        if isinstance(value, list) and (not value or len(set(value)) < len(value) or min(value) < 0):
            raise ValueError("name each once, counted from 0")
        return value

    @model_validator(mode="after")
    def _can_be_stored(self) -> "TrainSaeConfig":
        if self.format == "sparsify" and self.sae.architecture != "topk":
            raise ValueError(
                f"format sparsify can't hold a {self.sae.architecture} SAE: use format saelens or topk"
            )
        return self
