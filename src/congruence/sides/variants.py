"""What stands in for a side in each grid: the side itself, or a control made from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from congruence.activations import KnownSae, decoder_rows
from congruence.config.run import RunConfig
from congruence.errors import ConfigError, unknown_name
from congruence.models import LanguageModel, rerandomized
from congruence.registry import Registry
from congruence.rng import derive
from congruence.sides.side import Side, known_saes
from congruence.storage import content_key

REAL = "real"


@dataclass(frozen=True)
class Variant:
    """A model with a feature set for each layer.

    Attributes:
        model: the language model that reads the text.
        hooks: layer -> where its features are read.
        saes: layer -> its SAE, loaded when something is to be encoded; None for raw hidden units.
    """

    model: LanguageModel
    hooks: Mapping[int, str]
    saes: Mapping[int, Any]

    def decoder(self, layer: int) -> np.ndarray:
        """(f, d) float32: the vector each feature writes."""
        sae = self.saes[layer]
        if sae is not None:
            return sae.decoder()
        return neuron_rows(self.model, self.hooks[layer])


VARIANTS: Registry[Callable[[Side, int], Variant]] = Registry("control", "controls")


def controls() -> list[str]:
    """The names that a configuration may list under `controls`, those of other packages included."""
    return [name for name in VARIANTS if name != REAL]


def check_controls(config: RunConfig) -> None:
    """Refuse a control that isn't known, or that this comparison can't have.

    Raises:
        ConfigError: in one line.
    """
    for control in config.controls:
        if control not in controls():
            raise ConfigError(unknown_name("control", control, controls()))


def variant_of(side: Side, name: str, seed: int) -> Variant:
    """A side as the named grid sees it; `seed` decides every control's draws.

    A control may give SAEs as they are; they are known by their content then.
    """
    made = VARIANTS.get(name)(side, seed)
    loaded = {layer: sae for layer, sae in made.saes.items() if not isinstance(sae, KnownSae | None)}
    return (
        replace(made, saes={**made.saes, **{k: KnownSae.of(sae) for k, sae in loaded.items()}})
        if loaded
        else made
    )


@VARIANTS.register(REAL)
def real(side: Side, seed: int) -> Variant:
    """The side as configured."""
    return Variant(side.model, _hooks(side), _saes(side))


@VARIANTS.register("other_seed")
def other_seed(side: Side, seed: int) -> Variant:
    """The same model with SAEs of another seed: the ceiling."""
    return Variant(side.model, _hooks(side), known_saes(side.other_seed))


@VARIANTS.register("rerandomized")
def random_weights(side: Side, seed: int) -> Variant:
    """Weights redrawn with their own mean and standard deviation, embeddings kept; SAEs as they are."""
    model = rerandomized(side.model, derive(seed, "rerandomized", side.name), keep_embeddings=True)
    return Variant(model, _hooks(side), _saes(side))


@VARIANTS.register("untrained_sae")
def untrained_sae(side: Side, seed: int) -> Variant:
    """SAEs of the same shapes with random unit decoders, on the model as it is."""
    saes = {
        layer: _untrained(sae, (seed, "untrained_sae", side.name, layer))
        for layer, sae in known_saes(side.saes).items()
    }
    return Variant(side.model, _hooks(side), saes)


@VARIANTS.register("frozen_decoder")
def frozen_decoder(side: Side, seed: int) -> Variant:
    """SAEs trained with their decoders fixed at a random start, on the model as it is (arXiv 2602.14111)."""
    return Variant(side.model, _hooks(side), known_saes(side.frozen_decoder))


def _untrained(sae: KnownSae, drawn_from: tuple[int, str, str, int]) -> KnownSae:
    def load() -> Any:
        from congruence.saes import untrained

        return untrained(sae.load(), derive(*drawn_from))

    key = content_key([sae.key, list(drawn_from)])
    return replace(sae, key=key, load=load, decoder=lambda: decoder_rows(load()))


@VARIANTS.register("neurons")
def neurons(side: Side, seed: int) -> Variant:
    """Hidden units of the MLP in place of SAE features (controls of Lan et al. 2024's code)."""
    hooks = {layer: f"mlp_hidden.{layer}" for layer in side.layers}
    return Variant(side.model, hooks, dict.fromkeys(side.layers))


def _saes(side: Side) -> dict[int, KnownSae | None]:
    """The SAE of each layer; None where the features are neurons."""
    saes = known_saes(side.saes)
    return {layer: saes.get(layer) for layer in side.layers}


def _hooks(side: Side) -> dict[int, str]:
    return {layer: side.hook_name(layer) for layer in side.layers}


def neuron_rows(model: LanguageModel, hook: str) -> np.ndarray:
    """(units, d) what each hidden unit writes.

    For units inside an MLP or attention these are the rows of the projection that they go into. For units
    of the residual stream they are what each adds to the logits, W_U's columns, in coordinates of their own
    span: inner products are those of the (vocabulary,)-vectors, and nothing else matters to a measure that
    doesn't depend on the basis. Source: ours.

    Raises:
        ConfigError: the units' vectors can't be told from the model.
    """
    import torch
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    taps = model.taps(hook)
    module, side = taps[0].module, taps[0].side
    if side == "input" and isinstance(module, nn.Linear):
        return module.weight.detach().T.float().cpu().numpy()
    if side == "input" and isinstance(module, Conv1D):
        return module.weight.detach().float().cpu().numpy()
    unembedding = getattr(model.module, "get_output_embeddings", lambda: None)()
    if unembedding is None or unembedding.weight.shape[1] != model.d_model:
        raise ConfigError(
            f"hidden units at {hook} of {model.name} write no known vectors: use hook mlp_hidden"
        )
    weight = unembedding.weight.detach().to(torch.float64).cpu().numpy()
    strength, basis = np.linalg.eigh(weight.T @ weight)
    return (basis * np.sqrt(np.clip(strength, 0, None))).astype(np.float32)
