"""The sections of a configuration: sides, text, pairing, null, intervals."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    field_validator,
    model_validator,
)

from congruence.config.saes import (
    IN_MEMORY,
    Given,
    Object,
    Saes,
    SaeSource,
    given,
    hook_of_side,
    name_of,
    sources,
)
from congruence.config.section import Section
from congruence.errors import quoted

MOST_LAYERS = 10_000
LONGEST_NAME = 200
MOST_TOKENS = 10**12
MOST_DRAWS = 1_000_000
WHY_DRAWS = "p can't be told below a millionth, and each draw takes time and memory"


def read_layers(value: Any) -> Any:
    """Layers as they may be written: all, a number, a list, or text such as "1-3" or "1, 2, 5-7".

    >>> read_layers("1-3, 7"), read_layers(2), read_layers("all")
    ([1, 2, 3, 7], [2], 'all')

    Raises:
        ValueError: it is none of them, or a layer is named twice.
    """
    if isinstance(value, str) and value != "all":
        value = _ranges(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if value == "all":
        return value
    if not isinstance(value, list | tuple | range) or not all(type(one) is int for one in value):
        raise ValueError("write all, a list such as [1, 2, 3], or a range such as 1-3")
    layers = list(value)
    if not layers or len(set(layers)) < len(layers) or min(layers) < 0 or max(layers) >= MOST_LAYERS:
        raise ValueError("name each layer once, counted from 0")
    return layers


def _ranges(text: str) -> list[int]:
    layers: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?", part)
        if ends is None or int(ends[2] or ends[1]) < int(ends[1]):
            raise ValueError("write all, a list such as [1, 2, 3], or a range such as 1-3")
        layers += range(int(ends[1]), int(ends[2] or ends[1]) + 1)
    return layers


def _places(value: Any) -> Any:
    """SAEs as they may be written: one place for all layers, or a place for each."""
    value = given(value)
    if value is None or isinstance(value, str | SaeSource | Given):
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError("write a folder or Hub id, or {layer: place}, such as {2: saes/layer_2}")
    if any(key in SaeSource.model_fields for key in value):
        return value
    places: dict[int, Any] = {}
    for key, named in value.items():
        digits = re.fullmatch(r"\d{1,5}", str(key)) and not isinstance(key, bool)
        if not digits:
            raise ValueError(f"the key {quoted(key)} isn't the number of a block: write {{2: place}}")
        if int(key) in places:
            raise ValueError(f"layer {int(key)} is written twice: leave one out")
        place = given(named)
        text = isinstance(place, str) and place.strip()
        if not text and not isinstance(place, Mapping | SaeSource | Given):
            raise ValueError(f"layer {int(key)} has {quoted(place)}: write a folder or Hub id")
        places[int(key)] = place
    return places


def each_once(names: list[Any]) -> list[Any]:
    """The names, each written once.

    Raises:
        ValueError: one is written twice.
    """
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ValueError(f"{quoted(name)} is named twice: leave one out")
    return names


Layers = Annotated[Literal["all"] | list[int], BeforeValidator(read_layers)]
Places = Annotated[Saes | None, BeforeValidator(_places)]


def _step(value: Any) -> Any:
    """A name, {name: value} or {name: {option: value}}."""
    named = isinstance(value, str) and value.strip()
    mapped = isinstance(value, Mapping) and len(value) == 1 and all(isinstance(key, str) for key in value)
    if not (named or mapped):
        raise ValueError("write a name, {name: value} or {name: {option: value}}, one of them an entry")
    return value


Step = Annotated[str | dict[str, Any], BeforeValidator(_step)]
"""A measure or filter with its options."""


def read_functions(value: Any) -> Any:
    """Functions as they may be written: a name, {name: options, …}, or a list of either."""
    if isinstance(value, str):
        return [value]
    return [{name: options} for name, options in value.items()] if isinstance(value, Mapping) else value


class MeasureFile(Section):
    """A measure of your own: a function of a Python file, which is executed because you name it here."""

    file: str
    """The file, seen from the configuration's folder."""
    name: str
    """The function: ``f(x, y) -> float`` over paired decoder rows (n, d_a) and (n, d_b)."""
    options: dict[str, Any] = {}
    """Values of its keyword-only parameters."""


def _measure_step(value: Any) -> Any:
    """As a step, or a file with a name, or (from Python) a function."""
    if isinstance(value, str) and value.startswith(IN_MEMORY):
        raise ValueError(
            "the function was an object of a Python call: name a measure, or a file with its name"
        )
    if isinstance(value, MeasureFile | Given):
        return value
    if isinstance(value, Mapping) and "file" in value:
        return value
    return Given(value) if callable(value) else _step(value)


def _form_of_measure(value: Any) -> str:
    if isinstance(value, MeasureFile) or (isinstance(value, Mapping) and "file" in value):
        return "(file)"
    if isinstance(value, Given):
        return "(function)"
    return "(options)" if isinstance(value, Mapping) else "(name)"


def _name_of_function(value: Given) -> str:
    return IN_MEMORY + str(getattr(value.value, "__name__", type(value.value).__name__))


MeasureStep = Annotated[
    Annotated[str, Tag("(name)")]
    | Annotated[MeasureFile, Tag("(file)")]
    | Annotated[dict[str, Any], Tag("(options)")]
    | Annotated[Given, PlainSerializer(_name_of_function, when_used="json"), Tag("(function)")],
    Discriminator(_form_of_measure),
    BeforeValidator(_measure_step),
]
"""A measure with its options, or one's own."""


class SideConfig(Section):
    """One language model with its SAEs."""

    model: Annotated[str | Object, BeforeValidator(given)]
    """Hub id or folder of a causal or masked language model. From Python also a model in memory."""
    tokenizer: Annotated[Object | None, BeforeValidator(given)] = None
    """Of a model in memory, from Python."""
    saes: Places = None
    """Hub id or folder that holds an SAE for each layer, or a path for each layer; ``{layer}`` and wildcards
    may stand in it. In place of a path, ``{path: …, sae_id: …}`` with what its files don't say. From Python
    also SAEs in memory. Not needed for neurons."""
    sae_id: str | None = None
    """Which SAE of `saes`, where a layer has several: an id that `congruence saes` shows, with ``{layer}``
    and wildcards."""
    layers: Layers = "all"
    """Blocks to compare, counted from 0, as a list or as text such as 1-3; ``all``: every block that has an
    SAE."""
    hook: str = "resid_post"
    """What is read: resid_post, resid_pre, mlp_out, attn_out, or a module path with ``{layer}``."""
    hook_offset: int = Field(default=0, ge=-MOST_LAYERS, le=MOST_LAYERS)
    """Read the block this many places away from the SAE's own. -1 is what the published code does."""
    activations: Literal["encode", "pre_activation"] = "encode"
    """``pre_activation``: ReLU of the encoder without TopK, as published for Pythia."""
    features: Literal["sae", "neurons", "crosscoder"] = "sae"
    """``neurons``: the hidden units themselves, the published control; ``crosscoder``: those of the
    crosscoder that `pairing` names, which sets it by itself."""
    fold_decoder_norm: bool = False
    """Scale decoder rows to unit norm and activations up by it."""
    other_seed: Places = None
    """SAEs of another seed for one or more layers: compared with `saes` as the same-model ceiling."""
    frozen_decoder: Places = None
    """SAEs whose decoders stayed at their random start (`congruence train-sae --frozen-decoder`), for the
    control of that name."""
    name: str | None = Field(default=None, max_length=LONGEST_NAME)
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

    @model_validator(mode="after")
    def _has_features(self) -> "SideConfig":
        if self.features == "sae" and self.saes is None:
            raise ValueError("saes is missing: name a folder or Hub id, or say features: neurons")
        return self

    @model_validator(mode="before")
    @classmethod
    def _hook_of_saes(cls, values: Any) -> Any:
        """A hook that stands beside an SAE's path is the side's, unless that has its own."""
        saes = values.get("saes") if isinstance(values, dict) else None
        entries = saes.values() if isinstance(saes, dict) and "path" not in saes else [saes]
        named = [
            entry.get("hook") if isinstance(entry, dict) else getattr(entry, "hook", None)
            for entry in entries
        ]
        hooks = {hook_of_side(hook) for hook in named if isinstance(hook, str)}
        if len(hooks) == 1 and "hook" not in values:
            return {**values, "hook": hooks.pop()}
        return values

    @model_validator(mode="after")
    def _one_hook(self) -> "SideConfig":
        for source in sources(self.saes):
            if source.hook is not None and hook_of_side(source.hook) != hook_of_side(self.hook):
                raise ValueError(
                    f"saes says hook {source.hook}, the side hook {self.hook}: a side has one kind of hook"
                )
        return self

    @model_validator(mode="before")
    @classmethod
    def _objects_stay_in_memory(cls, values: Any) -> Any:
        model = values.get("model") if isinstance(values, dict) else None
        if isinstance(model, str) and model.startswith(IN_MEMORY):
            raise ValueError(f"model {model!r} was an object of a Python call: name a folder or Hub id")
        if isinstance(model, str) and values.get("tokenizer") is not None:
            raise ValueError("tokenizer goes with a model in memory: a folder or Hub id has its own")
        return values

    @property
    def label(self) -> str:
        """The side's name in pictures."""
        return self.name or name_of(self.model)


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
    documents: int | None = Field(
        default=None, ge=1, le=100_000_000, description="all of a corpus is read where it is left out"
    )
    """Number of documents from the start; default: all."""
    skip_documents: int = Field(default=0, ge=0, le=100_000_000)
    """Documents at the start that are passed over: another sample of the same text."""
    max_tokens: int | None = Field(default=None, ge=2, le=2_000_000, description="no model reads more")
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
        foreign = ("dataset_config",) if self.path is not None else ("encoding", "separator")
        for key in foreign:
            if getattr(self, key) is not None:
                raise ValueError(
                    f"{key} means nothing for a {'path' if self.path else 'dataset'}: leave it out"
                )
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
    min_cofirings: int = Field(default=1, ge=0, le=MOST_TOKENS)
    """A partner must fire together with the feature on at least this many tokens."""
    over_n: bool = False
    """Pearson r as (n − 1)/n of itself, as published: z-scores by n − 1, then a mean over n."""
    constant_features: bool = False
    """many_to_one by Pearson: features that never vary correlate 0 with all and are paired too, as published;
    false: they are left out."""
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

    @model_validator(mode="after")
    def _no_null_of_a_constant(self) -> "PairingConfig":
        if self.constant_features and (self.split or self.null_draws):
            raise ValueError("constant_features can't go with split or null_draws: leave it out")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options."""
        return dict(self.model_extra or {})


class NullConfig(Section):
    """The null that every score is tested against. Further keys are its options, such as `strata`."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    kind: str = "pairing"
    """Registered name: pairing, subset, firing_rate, document_shift, …"""
    draws: int = Field(default=1000, ge=1, le=MOST_DRAWS, description=WHY_DRAWS)
    """Number of null scores; p can't be smaller than 1 / (1 + draws)."""
    alternative: Literal["greater", "less", "two-sided"] = "greater"
    """One-sided by default: more alike than chance."""
    stop_after: int | None = Field(default=None, ge=1)
    """Stop a test once so many draws are as extreme: p is then their share of the draws made (Besag and
    Clifford 1991). Such tests get no max-T."""

    plus_one: bool = True
    """p = (1 + null scores that reach the score) / (1 + draws). false: their share of the draws, which can be
    0, as published."""

    @model_validator(mode="after")
    def _stops_on_one_side(self) -> "NullConfig":
        if self.stop_after is not None and self.alternative == "two-sided":
            raise ValueError("stop_after needs a one-sided alternative: greater or less")
        if self.stop_after is not None and self.stop_after > self.draws:
            raise ValueError(
                f"stop_after = {self.stop_after} is never reached by {self.draws} draws: lower it"
            )
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The null's own options."""
        return dict(self.model_extra or {})


class VerdictsConfig(Section):
    """What is said of every feature: shared, not shared, or can't be told."""

    draws: int = Field(default=5, ge=1, le=10_000)
    """Shifts of the text by whole documents, over which every feature's best r is taken anew; those of
    features that fire about as often are taken together. Never more than the documents allow."""
    share: float = Field(default=0.5, gt=0, le=1)
    """Share of its ceiling, the best r in another SAE of its own model, that a counterpart reaches."""
    fdr: float = Field(default=0.05, gt=0, lt=1)
    """False discovery rate over the features of a side, of either claim."""
    presence: bool = False
    """Look for every feature in the other model's hidden states as well, and in what its SAEs leave out: one
    more pass of both models over the text."""


class IntervalConfig(Section):
    """Intervals of the scores, by resampling."""

    by: Literal["pairs", "documents"] = "pairs"
    """``pairs``: random halves of the pairs are scored; ``documents``: documents are drawn with replacement,
    and features paired, filtered and scored again."""
    draws: int = Field(default=200, ge=20, le=100_000)
    """Resamples."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Nominal coverage."""
