"""One side of a comparison, opened: its language model, and an SAE for each layer that fits it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from congruence.config.sections import SideConfig
from congruence.errors import ConfigError, SaeError
from congruence.hook_names import KINDS
from congruence.models import LanguageModel, load_model
from congruence.saes import find_sae, list_saes, load_sae

if TYPE_CHECKING:
    from congruence.saes import Sae

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Side:
    """One side, ready to be captured.

    Attributes:
        name: "a" or "b".
        config: its section.
        model: the language model.
        saes: an SAE for each compared layer; empty where the features are neurons.
        other_seed: SAEs of another seed, for the layers that have one.
        layers: the compared blocks, ascending as configured.
    """

    name: str
    config: SideConfig
    model: LanguageModel
    saes: "Mapping[int, Sae]"
    other_seed: "Mapping[int, Sae]"
    layers: tuple[int, ...]

    def hook_name(self, layer: int) -> str:
        """Where the features of a layer are read."""
        return hook_name(self.config.hook, layer)


def hook_name(hook: str, layer: int) -> str:
    """The hook point of a layer: a kind's, or a module path with ``{layer}`` filled in.

    >>> hook_name("resid_post", 3)
    'resid_post.3'
    """
    if hook in KINDS:
        return f"{hook}.{layer}"
    if "{layer}" in hook:
        return hook.format(layer=layer)
    raise ConfigError(
        f"hook {hook!r} isn't a kind of hook point: write one of {', '.join(KINDS)}, "
        "or a module path with {layer}"
    )


def open_side(name: str, config: SideConfig) -> Side:
    """Load a side's model and SAEs, and prove that the layers asked for exist and fit.

    Raises:
        ModelError, SaeError, ConfigError: one line each.
    """
    model = open_model(config)
    layers = layers_of(config, model)
    saes = {} if config.features == "neurons" else _saes(config.saes, layers, config, model)
    other = _other_seed(config, layers, model)
    logger.info("side %s: %s, layers %s", name, config.label, ", ".join(map(str, layers)))
    return Side(name, config, model, saes, other, layers)


def open_model(config: SideConfig) -> LanguageModel:
    """A side's language model, once its kind of hook is known to exist."""
    hook_name(config.hook, 0)
    return load_model(
        config.model,
        device=device_of(config.device),
        dtype=dtype_of(config.dtype, config.device),
        device_map=config.device_map,
        quantization=config.quantization,
        revision=config.revision,
    )


def device_of(device: str) -> str:
    """The device itself where the configuration says ``auto``."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def dtype_of(dtype: str, device: str) -> str:
    """float32 on a CPU, the stored type elsewhere, unless the configuration says which."""
    if dtype != "auto":
        return dtype
    return "float32" if device_of(device) == "cpu" else "auto"


def layers_of(config: SideConfig, model: LanguageModel) -> tuple[int, ...]:
    """The blocks that a side compares.

    Raises:
        ConfigError, SaeError: the model has no such block, or no SAE tells its layer.
    """
    if config.layers != "all":
        layers = tuple(config.layers)
    elif config.features == "neurons":
        layers = tuple(range(model.n_layers))
    else:
        layers = _layers_with_sae(config)
    if max(layers) >= model.n_layers:
        raise ConfigError(
            f"layer {max(layers)} isn't in {config.label}, which has {model.n_layers} blocks (0 to "
            f"{model.n_layers - 1}): correct layers"
        )
    return layers


def _layers_with_sae(config: SideConfig) -> tuple[int, ...]:
    if isinstance(config.saes, dict):
        return tuple(sorted(config.saes))
    layers = _listed_layers(str(config.saes), config.hook)
    if not layers:
        raise SaeError(
            f"{config.saes} holds no SAE whose layer its name tells: name layers, or a path for each"
        )
    return layers


def _listed_layers(path: str, hook: str) -> tuple[int, ...]:
    entries = [entry for entry in list_saes(path) if entry.layer is not None]
    at_hook = [entry for entry in entries if entry.hook_point is None or entry.hook_point.kind == hook]
    return tuple(sorted({entry.layer for entry in at_hook or entries if entry.layer is not None}))


def _saes(
    where: "str | dict[int, str] | None", layers: tuple[int, ...], config: SideConfig, model: LanguageModel
) -> "dict[int, Sae]":
    return {layer: _fitting(sae_of_layer(where, layer, config), layer, config, model) for layer in layers}


def sae_of_layer(where: "str | dict[int, str] | None", layer: int, config: SideConfig) -> "Sae":
    """The SAE of one layer, from a folder or Hub id or from the paths of each layer."""
    device = device_of(config.device)
    if isinstance(where, dict):
        if layer not in where:
            raise ConfigError(
                f"saes has no path for layer {layer} of {config.label}: add it or drop the layer"
            )
        return load_sae(where[layer], device=device, fold_decoder_norm=config.fold_decoder_norm)
    entry = find_sae(str(where), layer, config.hook if config.hook in KINDS else None)
    return entry.load(device=device, fold_decoder_norm=config.fold_decoder_norm)


def _fitting(sae: "Sae", layer: int, config: SideConfig, model: LanguageModel) -> "Sae":
    if config.hook in ("resid_post", "resid_pre") and sae.d_in != model.d_model:
        raise SaeError(
            f"SAE {sae.path} reads vectors of {sae.d_in}, but {config.label} has d_model {model.d_model}: "
            f"name the SAEs that were trained on layer {layer} of this model"
        )
    return sae


def _other_seed(config: SideConfig, layers: tuple[int, ...], model: LanguageModel) -> "dict[int, Sae]":
    return _saes(config.other_seed, other_seed_layers(config, layers), config, model)


def other_seed_layers(config: SideConfig, layers: tuple[int, ...]) -> tuple[int, ...]:
    """Those of a side's layers that have an SAE of another seed.

    Raises:
        SaeError: SAEs of another seed are named, and none is of these layers.
    """
    if config.other_seed is None or config.features == "neurons":
        return ()
    if isinstance(config.other_seed, dict):
        available = tuple(sorted(config.other_seed))
    else:
        available = _listed_layers(config.other_seed, config.hook)
    shared = tuple(layer for layer in available if layer in layers)
    if not shared:
        raise SaeError(f"{config.other_seed} holds no SAE of another seed for any of layers {list(layers)}")
    return shared
