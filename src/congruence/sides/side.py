"""One side of a comparison: a language model, and an SAE for each layer that fits it; both load when used."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from congruence.activations import KnownSae
from congruence.config.run import RunConfig
from congruence.config.saes import Given, in_words
from congruence.config.sections import SideConfig
from congruence.errors import ConfigError, ModelError, SaeError
from congruence.hook_names import KINDS, near_kind, parse_hook_name
from congruence.models import LanguageModel, ModelShape, find_model
from congruence.models.blocks import shifted
from congruence.sides.devices import device_of, dtype_of
from congruence.sides.given_model import model_in_memory
from congruence.sides.notes import notes_of
from congruence.sides.shelf import LayerSaes, Shelf
from congruence.storage import Memo

if TYPE_CHECKING:
    from congruence.saes import Sae

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Side:
    """One side, ready to be captured.

    Attributes:
        name: "a" or "b".
        config: its section.
        model: the language model; the same object on both sides where both name the same one.
        saes: an SAE for each compared layer, loaded when it is asked for; empty where the features are
            neurons.
        other_seed: SAEs of another seed, for the layers that have one.
        layers: the compared blocks, ascending as configured.
        notes: what a reader of the results should know of it, in lines.
        frozen_decoder: SAEs trained with a fixed decoder, for the layers that have one.
    """

    name: str
    config: SideConfig
    model: LanguageModel
    saes: "Mapping[int, Sae]"
    other_seed: "Mapping[int, Sae]"
    layers: tuple[int, ...]
    notes: tuple[str, ...] = ()
    frozen_decoder: "Mapping[int, Sae]" = field(default_factory=dict)

    def hook_name(self, layer: int) -> str:
        """Where the features of a layer are read."""
        return hook_name(self.config.hook, layer)

    def let_go(self) -> None:
        """Forget the loaded model and SAEs; what is used again is loaded again."""
        self.model.let_go()
        for saes in (self.saes, self.other_seed, self.frozen_decoder):
            if isinstance(saes, LayerSaes) and saes.shelf is not None:
                saes.shelf.let_go()


def hook_name(hook: str, layer: int) -> str:
    """The hook point of a layer: a kind's, or a module path with ``{layer}`` filled in.

    >>> hook_name("resid_post", 3)
    'resid_post.3'
    """
    if hook in KINDS:
        return f"{hook}.{layer}"
    if "{layer}" in hook and not set("{}") & set(hook.replace("{layer}", "")):
        return hook.replace("{layer}", str(layer))
    near = near_kind(hook)
    hint = f"did you mean {near!r}? " if near else ""
    raise ConfigError(
        f"hook {hook!r} isn't a kind of hook point: {hint}known are {', '.join(KINDS)}, or a module path "
        "with {layer}"
    )


def fed_place(side: Side, layer: int) -> str:
    """The hook point whose vectors a layer's SAE is fed, hook_offset included.

    Raises:
        ModelError: hook_offset is to shift a module path.
    """
    name = side.hook_name(layer)
    if side.config.hook_offset == 0:
        return name
    point = parse_hook_name(name)
    if point is None:
        raise ModelError(f"hook {name!r} is a module path: hook_offset can't shift it, so leave it out")
    return str(shifted(point, side.config.hook_offset))


def open_sides(config: RunConfig, memo: Memo | None = None) -> dict[str, Side]:
    """Both sides; a model that both name is opened once.

    Args:
        config: the run's configuration.
        memo: keeps shapes, listings and keys, so that nothing is loaded for them a second time.

    Raises:
        ModelError, SaeError, ConfigError: one line each.
    """
    memo = memo or Memo()
    a = open_side("a", config.a, memo=memo)
    return {"a": a, "b": open_side("b", config.b, memo=memo, beside=a)}


def open_side(
    name: str, config: SideConfig, *, memo: Memo | None = None, beside: "Side | None" = None
) -> Side:
    """One side, and proof that the layers asked for exist and fit.

    Args:
        name: "a" or "b".
        config: its section.
        memo: as in `open_sides`.
        beside: a side that is open; what both name alike is one object, and loaded once.

    Raises:
        ModelError, SaeError, ConfigError: one line each.
    """
    memo = memo or Memo()
    model = open_model(config, memo, beside)
    shelves = [] if beside is None else _shelves(beside)
    sae_id = config.sae_id
    shelf = _same_shelf(config.saes, config, shelves, sae_id) or _shelf(
        config.saes, config, memo, sae_id=sae_id
    )
    other_shelf = _same_shelf(config.other_seed, config, shelves) or _shelf(config.other_seed, config, memo)
    layers = layers_of(config, model, shelf)
    wanted = () if config.features == "neurons" else layers
    residual = bool(wanted) and config.hook in ("resid_post", "resid_pre")
    width = model.d_model if residual else None
    saes = LayerSaes(shelf, wanted, config.label, width)
    others = other_seed_layers(config, layers, other_shelf)
    other = LayerSaes(other_shelf, others, config.label, width)
    frozen = LayerSaes(*_frozen(config, layers, memo), config.label, width)
    logger.info("side %s: %s, layers %s", name, config.label, ", ".join(map(str, layers)))
    notes = notes_of(name, config, [*saes.known.values(), *other.known.values()])
    for note in notes:
        logger.warning("%s", note)
    return Side(name, config, model, saes, other, layers, notes, frozen)


def known_saes(saes: "Mapping[int, Sae]") -> dict[int, KnownSae]:
    """A side's SAEs by key and sizes, none of them loaded for it."""
    if isinstance(saes, LayerSaes):
        return saes.known
    return {layer: KnownSae.of(sae) for layer, sae in saes.items()}


def open_model(config: SideConfig, memo: Memo | None = None, beside: Side | None = None) -> LanguageModel:
    """A side's language model, once its kind of hook is known to exist; it is loaded when first used.

    Args:
        config: the side's section.
        memo: keeps its shape.
        beside: a side that is open; its model is this one's where the files and numbers are the same.
    """
    hook_name(config.hook, 0)
    if isinstance(config.model, Given):
        return model_in_memory(config.model.value, config.tokenizer and config.tokenizer.value, config.label)
    model = find_model(**_model_options(config))
    if beside is not None and model.key == beside.model.key and _placed_alike(config, beside.config):
        return beside.model
    if memo is not None:
        shape = memo.value("model", model.key, lambda: asdict(model.shape))
        model.shape = ModelShape(**shape)
    return model


def _model_options(config: SideConfig) -> dict[str, Any]:
    return {
        "path_or_id": config.model,
        "device": device_of(config.device),
        "dtype": dtype_of(config.dtype, config.device),
        "device_map": config.device_map,
        "quantization": config.quantization,
        "revision": config.revision,
        "base": config.base,
        "trust_remote_code": config.trust_remote_code,
    }


def _placed_alike(one: SideConfig, other: SideConfig) -> bool:
    return (device_of(one.device), one.device_map) == (device_of(other.device), other.device_map)


def _shelves(side: Side) -> list[Shelf]:
    return [saes.shelf for saes in (side.saes, side.other_seed) if isinstance(saes, LayerSaes) and saes.shelf]


def _same_shelf(
    where: Any, config: SideConfig, shelves: Sequence[Shelf], sae_id: str | None = None
) -> Shelf | None:
    """A shelf that holds the same SAEs, read in the same way."""
    for shelf in shelves:
        own = shelf.config
        alike = (own.hook, own.fold_decoder_norm, device_of(own.device), shelf.sae_id) == (
            config.hook,
            config.fold_decoder_norm,
            device_of(config.device),
            sae_id,
        )
        if alike and where is not None and shelf.where == where:
            return shelf
    return None


def layers_of(config: SideConfig, model: LanguageModel, shelf: Shelf | None = None) -> tuple[int, ...]:
    """The blocks that a side compares.

    Args:
        config: its section.
        model: its model.
        shelf: its SAEs, where they are listed already.

    Raises:
        ConfigError, SaeError: the model has no such block, or no SAE tells its layer.
    """
    if config.layers != "all":
        layers = tuple(config.layers)
    elif config.features == "neurons":
        layers = tuple(range(model.n_layers))
    else:
        shelf = shelf or _shelf(config.saes, config, sae_id=config.sae_id)
        layers = () if shelf is None else shelf.layers
        if not layers:
            raise SaeError(
                f"{in_words(config.saes)} holds no SAE whose layer its name tells: name layers, or a path "
                "for each"
            )
    if max(layers) >= model.n_layers:
        raise ConfigError(
            f"layer {max(layers)} isn't in {config.label}, which has {model.n_layers} blocks (0 to "
            f"{model.n_layers - 1}): correct layers"
        )
    return layers


def sae_of_layer(where: Any, layer: int, config: SideConfig) -> "Sae":
    """The SAE of one layer, from `saes` or `other_seed` of a side's section."""
    if where is None:
        raise ConfigError(f"{config.label} names no SAEs: add saes")
    return Shelf(where, config, Memo(), sae_id=config.sae_id if where == config.saes else None).load(layer)


def other_seed_layers(
    config: SideConfig, layers: tuple[int, ...], shelf: Shelf | None = None
) -> tuple[int, ...]:
    """Those of a side's layers that have an SAE of another seed.

    Args:
        config: its section.
        layers: its layers.
        shelf: its SAEs of another seed, where they are listed already.

    Raises:
        SaeError: SAEs of another seed are named, and none is of these layers.
    """
    shelf = shelf or _shelf(config.other_seed, config)
    if shelf is None or config.features == "neurons":
        return ()
    shared = tuple(layer for layer in shelf.layers if layer in layers)
    if not shared:
        where = in_words(config.other_seed)
        raise SaeError(f"{where} holds no SAE of another seed for any of layers {list(layers)}")
    return shared


def _frozen(config: SideConfig, layers: tuple[int, ...], memo: Memo) -> tuple[Shelf | None, tuple[int, ...]]:
    """The SAEs with fixed decoders, and those of a side's layers that have one."""
    shelf = None if config.features == "neurons" else _shelf(config.frozen_decoder, config, memo)
    if shelf is None:
        return None, ()
    shared = tuple(layer for layer in shelf.layers if layer in layers)
    if not shared:
        where = in_words(config.frozen_decoder)
        raise SaeError(f"{where} holds no SAE with a fixed decoder for any of layers {list(layers)}")
    return shelf, shared


def _shelf(
    where: Any, config: SideConfig, memo: Memo | None = None, *, sae_id: str | None = None
) -> Shelf | None:
    return None if where is None else Shelf(where, config, memo or Memo(), sae_id=sae_id)
