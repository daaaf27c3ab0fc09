"""The sections of a configuration: sides, text, pairing, null, intervals."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Section(BaseModel):
    """A part of the configuration: immutable, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SideConfig(Section):
    """One language model with its SAEs."""

    model: str
    """Hub id or folder of a causal or masked language model."""
    saes: str | dict[int, str] | None = None
    """Hub id or folder that holds an SAE for each layer, or a path for each layer. Not needed for neurons."""
    layers: Literal["all"] | list[int] = "all"
    """Blocks to compare, counted from 0; ``all``: every block that has an SAE."""
    hook: str = "resid_post"
    """What is read: resid_post, resid_pre, mlp_out, attn_out, or a module path with ``{layer}``."""
    hook_offset: int = 0
    """Read the block this many places away from the SAE's own. -1 is what the published code does."""
    activations: Literal["encode", "pre_activation"] = "encode"
    """``pre_activation``: ReLU of the encoder without TopK, as published for Pythia."""
    features: Literal["sae", "neurons"] = "sae"
    """``neurons``: the hidden units themselves, the published control."""
    fold_decoder_norm: bool = False
    """Scale decoder rows to unit norm and activations up by it."""
    other_seed: str | dict[int, str] | None = None
    """SAEs of another seed for one or more layers: compared with `saes` as the same-model ceiling."""
    name: str | None = None
    """What pictures and tables call this side; default: the last part of `model`."""
    device: str = "auto"
    """``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Type the model computes in; ``auto``: float32 on a CPU, the stored type on a GPU."""
    device_map: str | None = None
    """Passed to transformers, for models that are spread over devices."""
    quantization: Literal["8bit", "4bit"] | None = None
    """Load the model's weights quantised, through transformers."""
    revision: str | None = None
    """Branch, tag or commit of a Hub model."""
    base: str | None = None
    """Where `model` is a PEFT adapter: folder or Hub id of the model it changes; default: what it names."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model's files. That code can do whatever you can: read it first."""

    @field_validator("layers", mode="before")
    @classmethod
    def _one_layer(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("layers")
    @classmethod
    def _distinct_layers(cls, value: Any) -> Any:
        if isinstance(value, list) and (not value or len(set(value)) < len(value) or min(value) < 0):
            raise ValueError("name each layer once, counted from 0")
        return value

    @model_validator(mode="after")
    def _has_features(self) -> "SideConfig":
        if self.features == "sae" and self.saes is None:
            raise ValueError("saes is missing: name a folder or Hub id, or say features: neurons")
        return self

    @property
    def label(self) -> str:
        """The side's name in pictures."""
        return self.name or self.model.rstrip("/").rsplit("/", 1)[-1]


class CorpusConfig(Section):
    """The text that both models read."""

    path: str | None = None
    """A text file, a folder of them, or a .jsonl or .parquet file with a text column."""
    dataset: str | None = None
    """A name that `datasets.load_dataset` knows; streamed."""
    dataset_config: str | None = None
    """Configuration name of the data set."""
    split: str | None = None
    """Split of a data set, by name or in a folder; default: train where there is one."""
    encoding: str | None = None
    """Encoding of files that aren't UTF-8, such as latin-1; those that are stay UTF-8."""
    text_column: str = "text"
    """Column that holds the text."""
    separator: str | None = None
    """What separates documents in a text file; default: ``<|endoftext|>`` if it occurs, else blank lines."""
    documents: int | None = Field(default=None, ge=1)
    """Number of documents from the start; default: all."""
    max_tokens: int | None = Field(default=None, ge=2)
    """Tokens kept of each document, special ones included; default: what the models can read."""
    packed: bool = False
    """Join the documents and cut them into pieces of max_tokens."""
    mask_special: bool = True
    """Leave BOS, EOS and padding positions out of every statistic. Off is what the published code does."""
    prepend_bos: Literal["auto"] | bool = "auto"
    """Whether each row begins with BOS: yes, no, or ``auto``, as the SAEs' own files say they were trained
    and else as the tokenizer does."""
    skip_first: int = Field(default=0, ge=0)
    """Tokens of text at the start of each row that are left out of every statistic."""
    sinks: Literal["mask", "keep"] = "mask"
    """``mask``: leading tokens of each row that are attention sinks (more than ten times as long as the
    median, in most rows) are left out as well. ``keep`` is what the published code does."""
    pooling: Literal["last", "max", "mean"] | None = None
    """For models whose tokenizers differ: how activations are pooled onto the coarser segmentation."""

    @field_validator("prepend_bos", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        known = {"auto": "auto", "yes": True, "no": False, "true": True, "false": False}
        found = known.get(value.lower(), value) if isinstance(value, str) else value
        if found != "auto" and not isinstance(found, bool):
            raise ValueError("write auto, yes or no")
        return found

    @model_validator(mode="after")
    def _one_source(self) -> "CorpusConfig":
        if (self.path is None) == (self.dataset is None):
            raise ValueError("name either path (a file or folder) or dataset (a datasets name)")
        return self


class Pairs(Section):
    """What every way of pairing features has."""

    from_: Literal["a", "b"] = Field(default="b", alias="from")
    """many_to_one: each feature of this side takes its best partner on the other."""
    measure: Literal["pearson", "cosine", "euclidean", "jaccard"] = "pearson"
    """Similarity of activations by which pairs are made."""


class PairingConfig(Pairs):
    """How features are paired. Further keys are options of the method, such as transport's `epsilon`."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    method: str = "many_to_one"
    """many_to_one, one_to_one, greedy, mutual_best, assignment, transport, …"""
    keep: Literal["best", "first"] | None = None
    """Keep one pair for each repeated feature: the best-correlated, or the first by index as published."""
    min_cofirings: int = Field(default=1, ge=0)
    """A partner must fire together with the feature on at least this many tokens."""
    split: Literal["documents"] | None = None
    """``documents``: pairs are found on one half of the documents; r, firings and co-firings, and so the
    filters, are of the other half."""
    null_draws: int = Field(default=0, ge=0, le=10_000)
    """Shifts of the text by whole documents, paired again: each pair's r gets the 95 % point of the best r of
    unrelated text (`null_r`) and a p (`p_r`), and the filter `beats_null` can be used."""

    @model_validator(mode="before")
    @classmethod
    def _one_to_one(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("method") == "one_to_one":
            return {**value, "keep": value.get("keep") or "best"}
        return value

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options."""
        return dict(self.model_extra or {})


class NullConfig(Section):
    """The null that every score is tested against. Further keys are its options, such as `strata`."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    kind: str = "pairing"
    """Registered name: pairing, subset, firing_rate, document_shift, …"""
    draws: int = Field(default=1000, ge=1, le=1_000_000)
    """Number of null scores; p can't be smaller than 1 / (1 + draws)."""
    alternative: Literal["greater", "less", "two-sided"] = "greater"
    """One-sided by default: more alike than chance."""
    stop_after: int | None = Field(default=None, ge=1)
    """Stop a test once so many draws are as extreme: p is then their share of the draws made (Besag and
    Clifford 1991). Such tests get no max-T."""

    @model_validator(mode="after")
    def _stops_on_one_side(self) -> "NullConfig":
        if self.stop_after is not None and self.alternative == "two-sided":
            raise ValueError("stop_after needs a one-sided alternative: greater or less")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The null's own options."""
        return dict(self.model_extra or {})


class IntervalConfig(Section):
    """Intervals of the scores, by resampling."""

    by: Literal["pairs", "documents"] = "pairs"
    """``pairs``: random halves of the pairs are scored; ``documents``: documents are drawn with replacement,
    and features paired, filtered and scored again."""
    draws: int = Field(default=200, ge=20, le=100_000)
    """Resamples."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Nominal coverage."""
