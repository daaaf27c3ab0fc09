"""How a side names its SAEs: a path, a path with details, either of them for each layer, or objects."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, PlainSerializer, Tag, model_validator

from congruence.config.section import Section
from congruence.hook_names import parse_hook_name

MOST_FEATURES = 2**31 - 1
HIGHEST_THRESHOLD = 1e9
_Rule = Literal["relu", "topk", "jumprelu", "batchtopk"]
_RULES = get_args(_Rule)
_READ_BY = {
    "k": ("topk", "batchtopk"),
    "threshold": ("jumprelu", "batchtopk"),
    "orientation": _RULES,
    "subtract_b_dec": _RULES,
}
"""Options of a home-made file, and the activations that read them."""
IN_MEMORY = "in memory: "
"""How run.json names what no file holds."""


class Given:
    """An object that a Python call was given in place of a name: a model, a tokenizer or an SAE.

    Attributes:
        value: the object.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        return f"{IN_MEMORY}{type(self.value).__name__}"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Given) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def given(value: Any) -> Any:
    """An object that isn't what a YAML file can hold, marked as such; a `Path` as text, the rest as it is."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    plain = value is None or isinstance(value, str | bytes | int | float | Mapping | list | tuple | BaseModel)
    return value if plain or isinstance(value, Given) else Given(value)


Object = Annotated[Given, PlainSerializer(str, when_used="json")]


class SaeSource(Section):
    """Where SAEs lie, and what their files don't say."""

    path: str
    """Folder, file or Hub id; ``{layer}`` and wildcards may stand in it."""
    sae_id: str | None = None
    """Which of several: the id that `congruence saes` shows, with ``{layer}`` and wildcards."""
    hook: str | None = None
    """Where it reads, if its files don't say or are wrong."""
    activation: _Rule | None = None
    """Read a home-made file by the shapes of its tensors, with this rule."""
    k: int | None = Field(default=None, ge=1, le=MOST_FEATURES)
    """Of topk, and of batchtopk without a threshold: features that fire on one token."""
    threshold: float | None = Field(default=None, ge=0, le=HIGHEST_THRESHOLD)
    """Of jumprelu and batchtopk, where the file holds none."""
    orientation: Literal["in_first", "out_first"] | None = None
    """in_first: (d_in, d_sae) and (d_sae, d_in); out_first: as torch.nn.Linear; default: by shape."""
    subtract_b_dec: bool | None = None
    """Whether the decoder's bias is taken off the input first; default: by its name."""

    @model_validator(mode="after")
    def _read_by_its_activation(self) -> "SaeSource":
        """An option that nothing would read is a mistake."""
        for name, rules in _READ_BY.items():
            if getattr(self, name) is not None and self.activation not in rules:
                there = f"activation is {self.activation}" if self.activation else "no activation is given"
                raise ValueError(
                    f"{name} goes with activation {' or '.join(rules)}, and {there}: correct it or "
                    f"drop {name}"
                )
        if self.activation == "topk" and self.k is None:
            raise ValueError("activation topk needs k: add k, the features that fire on one token")
        if self.k is not None and self.threshold is not None:
            raise ValueError("batchtopk fires by threshold or by k: give one of them")
        return self

    @property
    def plain(self) -> dict[str, Any]:
        """The options of a home-made file; empty where its format is to be recognised."""
        if self.activation is None:
            return {}
        names = ("activation", "k", "threshold", "orientation", "subtract_b_dec")
        return {name: getattr(self, name) for name in names}

    @property
    def layer(self) -> int | None:
        """The block that `hook` names."""
        point = parse_hook_name(self.hook) if self.hook else None
        return point.layer if point else None


def hook_of_side(hook: str) -> str:
    """A hook as a side names it: a kind where it is of one, else a module path.

    >>> hook_of_side("blocks.{layer}.hook_mlp_out"), hook_of_side("layers.3"), hook_of_side("mlp_in")
    ('mlp_out', 'resid_post', 'mlp_in')
    """
    point = parse_hook_name(hook.replace("{layer}", "0"))
    return point.kind if point else hook


def name_of(model: str | Given) -> str:
    """What a side is called that has no name: the last part of its path or id."""
    if isinstance(model, Given):
        found = getattr(model.value, "name", None) or getattr(model.value, "name_or_path", None)
        name = str(found or type(model.value).__name__)
    else:
        name = model
    return name.rstrip("/").rsplit("/", 1)[-1]


def _form(value: Any) -> str:
    if isinstance(value, str):
        return "(path)"
    if isinstance(value, SaeSource):
        return "(source)"
    if isinstance(value, Mapping):
        return "(source)" if any(name in SaeSource.model_fields for name in value) else "(layers)"
    return "(object)" if isinstance(value, Given) else "(path)"


def _form_of_one(value: Any) -> str:
    return "(source)" if isinstance(value, Mapping) else _form(value)


Single = Annotated[
    Annotated[str, Tag("(path)")]
    | Annotated[SaeSource, Tag("(source)")]
    | Annotated[Object, Tag("(object)")],
    Discriminator(_form_of_one),
    BeforeValidator(given),
]
Saes = Annotated[
    Annotated[str, Tag("(path)")]
    | Annotated[SaeSource, Tag("(source)")]
    | Annotated[Object, Tag("(object)")]
    | Annotated[dict[int, Single], Tag("(layers)")],
    Discriminator(_form),
    BeforeValidator(given),
]


def in_words(saes: Any) -> str:
    """What a side's SAEs are called in a message."""
    if isinstance(saes, SaeSource):
        return saes.path
    return "saes" if isinstance(saes, Mapping) else str(saes)


def sources(saes: Any) -> list[SaeSource]:
    """The sources with details among a side's SAEs."""
    entries = saes.values() if isinstance(saes, Mapping) else [saes]
    return [entry for entry in entries if isinstance(entry, SaeSource)]
