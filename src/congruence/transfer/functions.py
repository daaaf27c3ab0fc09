"""What a run may ask of function beside the likeness of decoder rows, each with its options."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from annotated_types import Gt

from congruence.errors import ConfigError, InputError, unknown_name
from congruence.options import check_fields, check_names, whole
from congruence.transfer.maps import KINDS, Kind


@dataclass(frozen=True)
class TransferSettings:
    """Maps between the hidden states of every layer pair, and each SAE on the other model's mapped states."""

    maps: tuple[Kind, ...] = KINDS
    """Kinds of maps: identity (where widths agree), orthogonal, affine, ridge."""
    penalty: Annotated[float, Gt(0)] = 1e-2
    """Of ridge, as a share of the mean variance of a dimension."""
    tokens: Annotated[int, whole(16, 10**9)] = 32_768
    """Tokens of text that are read for it, in whole documents spread over the corpus; half of the documents
    fit the maps, the others judge them."""
    judged: Annotated[int, whole(16, 10**9)] = 1_024
    """Held-out tokens that go through the SAEs, in whole documents; R² is over all that are held out."""
    keep_maps: bool = True
    """Keep the fitted maps, for `run.map`: 4 · d_a · d_b bytes a layer pair, kind and direction."""


@dataclass(frozen=True)
class StitchingSettings:
    """The other model goes on from mapped states, on the documents that judge transfer."""

    maps: tuple[Kind, ...] = ("orthogonal", "affine")
    """Kinds of maps: identity (where widths agree), orthogonal, affine, ridge."""


@dataclass(frozen=True)
class LogitWeightsSettings:
    """What paired features add to the logits of tokens that both models know; no forward pass."""

    draws: Annotated[int, whole(19, 10**6)] = 199
    """Re-pairings of each layer pair."""


@dataclass(frozen=True)
class SubstitutionSettings:
    """Paired features taken out of either model, and one put in the other's place."""

    pairs: Annotated[int, whole(2, 10**6)] = 200
    """Pairs of each layer pair, spread over r and firing rate; each has a hard negative beside it."""
    contexts: Annotated[int, whole(1, 10_000)] = 4
    """Held-out documents for either feature of a pair, those where it fires most strongly."""
    length: Annotated[int, whole(2, 10**6)] = 96
    """Tokens from the start of a row within which they are looked for: what a forward pass reads."""
    vocabulary: Annotated[int, whole(2, 10**7)] = 1_000
    """Shared tokens, the most frequent of the text, whose log-probabilities are compared."""
    map: Kind = "orthogonal"
    """Takes the contribution of a's feature to b."""


FUNCTIONS: dict[str, type] = {
    "transfer": TransferSettings,
    "stitching": StitchingSettings,
    "logit_weights": LogitWeightsSettings,
    "substitution": SubstitutionSettings,
}
"""Names that `function` of a configuration takes; an entry is a frozen dataclass whose fields are options."""


def make_function(name: str, **options: Any) -> Any:
    """The settings of a function with its options.

    Raises:
        ConfigError: no such function, it has no such option, or a value isn't one that it takes.
    """
    if name not in FUNCTIONS:
        raise ConfigError(unknown_name("function", name, FUNCTIONS))
    kind = FUNCTIONS[name]
    what = f"function {name!r}"
    check_names(what, options, [field.name for field in fields(kind)])
    try:
        made = kind(**options)
        check_fields(made)
    except InputError as error:
        raise ConfigError(f"{what}: {error}") from None
    return made
