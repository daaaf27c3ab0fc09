"""The configuration of `congruence train-sae`: what makes an SAE, its schedule, and the file that says so."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from congruence.config.describe import check_text, describe
from congruence.config.parsing import corpus_at, expand, local_or_hub, read_yaml, sections_of
from congruence.config.sections import CorpusConfig, Layers, Section
from congruence.errors import ConfigError, quoted
from congruence.storage.objects import is_url

Architecture = Literal["topk", "batchtopk", "matryoshka", "jumprelu", "gated", "relu"]

_OF_DATASETS = ("dataset", "dataset_config", "split")
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


class SaeSettings(Section):
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
    frozen_decoder: bool = False
    """Leave the decoder at its random start and train the rest: SAEs for the control `frozen_decoder`."""
    sae_lens: dict[str, Any] = Field(default_factory=dict)
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


class TrainingSettings(Section):
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
    checkpoint_seconds: float = Field(default=60, ge=0)
    """Seconds between checkpoints; longer where writing one takes more than a twentieth of that."""
    checkpoint_every: int | None = Field(default=None, ge=1)
    """Steps after which there is a checkpoint in any case."""

    @model_validator(mode="after")
    def _phases_fit(self) -> "TrainingSettings":
        if self.warm_up + self.decay > 1:
            raise ValueError(
                f"warm_up + decay = {self.warm_up + self.decay:g}: together they may be at most 1"
            )
        if self.buffer < self.batch:
            raise ValueError(f"buffer = {self.buffer} holds less than a batch of {self.batch}: raise it")
        return self


class TrainSaeConfig(Section):
    """SAEs for some layers of one language model, each from one or more seeds."""

    model: str
    """Hub id or folder of the language model."""
    corpus: CorpusConfig
    """The text whose activations they are trained on; as in a comparison."""
    hook: str = "resid_post"
    """What of each block is read: resid_post, resid_pre, mlp_out, attn_out, …"""
    layers: Layers = "all"
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
    base: str | None = None
    """Where `model` is a PEFT adapter: the model it changes; default: what it names itself."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model's files. That code can do whatever you can: read it first."""
    batch_tokens: int = Field(default=8192, ge=1)
    """Tokens in one forward pass of the language model."""
    activations: str | None = Field(default=None, min_length=1)
    """Folder where activations stay for other trainings; default: with the results, until these are there."""
    keep_gb: float = Field(default=20, ge=0)
    """Gigabytes of disk that kept activations may take; what goes beyond is captured again in each epoch."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; default: as torch chooses."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: Any) -> Any:
        if len(set(value)) < len(value) or min(value) < 0 or max(value) >= 2**63:
            raise ValueError("name each once, from 0 to 2**63 - 1")
        return value

    @model_validator(mode="after")
    def _every_position_counts(self) -> "TrainSaeConfig":
        for corpus in (self.corpus, self.held_out):
            if corpus is not None and "sinks" in corpus.model_fields_set:
                raise ValueError(
                    "corpus.sinks belongs to comparisons: use skip_first to leave tokens out here"
                )
        return self

    @model_validator(mode="after")
    def _can_be_stored(self) -> "TrainSaeConfig":
        if self.format == "sparsify" and self.sae.architecture != "topk":
            raise ValueError(
                f"format sparsify can't hold a {self.sae.architecture} SAE: use format saelens or topk"
            )
        return self


def load_training_config(
    path: Path,
    *,
    model: str | None = None,
    corpus: str | None = None,
    seeds: Sequence[int] = (),
    frozen_decoder: bool = False,
) -> TrainSaeConfig:
    """Read a YAML configuration; relative paths in it are taken from its own folder.

    Args:
        path: the file.
        model: replaces the file's `model`, seen from the working folder.
        corpus: replaces the file's `corpus` path, its other settings staying.
        seeds: replace the file's `seeds`.
        frozen_decoder: sets `sae.frozen_decoder`.

    Raises:
        ConfigError: the file is missing, isn't YAML, or doesn't describe a training.
    """
    raw = dict(sections_of(read_yaml(path), str(path), "model and corpus"))
    if model is not None:
        raw["model"] = local_or_hub(model, Path())
    if corpus is not None:
        given = raw["corpus"] if isinstance(raw.get("corpus"), dict) else {}
        kept = {key: value for key, value in given.items() if key not in _OF_DATASETS}
        raw["corpus"] = {**kept, "path": str(Path(corpus).expanduser().absolute())}
    if seeds:
        raw["seeds"] = list(seeds)
    if frozen_decoder:
        sae = raw["sae"] if isinstance(raw.get("sae"), dict) else {}
        raw["sae"] = {**sae, "frozen_decoder": True}
    return parse_training_config(raw, base=path.parent, origin=str(path))


def parse_training_config(raw: Any, *, base: Path = Path(), origin: str = "config") -> TrainSaeConfig:
    """Validate a mapping as a training configuration.

    Raises:
        ConfigError: one line that names the first wrong key, its value and the remedy.
    """
    raw = sections_of(raw, origin, "model and corpus")
    check_text(raw, origin)
    try:
        config = TrainSaeConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {describe(error, TrainSaeConfig)}") from None
    held_out = None if config.held_out is None else corpus_at(config.held_out, base, f"{origin}: held_out")
    return config.model_copy(
        update={
            "activations": _folder_at(config.activations, base, f"{origin}: activations"),
            "model": local_or_hub(config.model, base, f"{origin}: model"),
            "base": local_or_hub(config.base, base, f"{origin}: base"),
            "corpus": corpus_at(config.corpus, base, f"{origin}: corpus"),
            "held_out": held_out,
        }
    )


def _folder_at(value: str | None, base: Path, where: str) -> str | None:
    """The absolute path of a folder that need not be there.

    Raises:
        ConfigError: it is a URL or can't be a name, a variable isn't set, or a file lies there.
    """
    if value is None:
        return None
    if is_url(value) or not value.isprintable():
        raise ConfigError(f"{where} = {quoted(value, 100)} is no folder of this machine: name one")
    folder = base.absolute() / expand(value, where)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{where} = {quoted(value, 100)} is a file: name a folder")
    return str(folder)
