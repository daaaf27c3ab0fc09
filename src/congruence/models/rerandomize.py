"""The random-transformer control: a model whose weights say nothing but their scale."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.errors import ModelError
from congruence.models.language_model import LanguageModel
from congruence.storage import content_key


def rerandomize(
    model: LanguageModel, rng: np.random.Generator, *, keep_embeddings: bool = True
) -> LanguageModel:
    """A copy in which each weight tensor is redrawn from a normal with its own mean and standard deviation.

    Args:
        model: stays as it is.
        rng: the draws are the same on every device.
        keep_embeddings: leave token and position embeddings and the unembedding as trained.

    Raises:
        ModelError: the model is quantized, so that its weights aren't numbers to be redrawn.

    Source: L's control with re-randomised weights (arXiv 2410.06981, public code).
    """
    name, key = _name_and_key(model, rng, keep_embeddings)
    return LanguageModel.from_module(
        _redrawn(model, rng, keep_embeddings), model.tokenizer, name=name, key=key
    )


def rerandomized(
    model: LanguageModel, rng: np.random.Generator, *, keep_embeddings: bool = True
) -> LanguageModel:
    """The same, drawn when it is first used: until then `model` isn't loaded; `rng` stays where it is."""
    name, key = _name_and_key(model, rng, keep_embeddings)
    return LanguageModel(name, key, _Rerandomized(model, copy.deepcopy(rng), keep_embeddings))


@dataclass(frozen=True)
class _Rerandomized:
    """Redraws a model's weights when they are first wanted."""

    model: LanguageModel
    rng: np.random.Generator
    keep_embeddings: bool

    def module(self) -> Any:
        return _redrawn(self.model, copy.deepcopy(self.rng), self.keep_embeddings)

    def tokenizer(self) -> Any:
        return self.model.tokenizer


def _name_and_key(model: LanguageModel, rng: np.random.Generator, keep_embeddings: bool) -> tuple[str, str]:
    key = content_key([model.key, "rerandomized", keep_embeddings, str(rng.bit_generator.state)])
    return f"{model.name} (rerandomized)", key


def _redrawn(model: LanguageModel, rng: np.random.Generator, keep_embeddings: bool) -> Any:
    import torch

    module = copy.deepcopy(model.module)
    kept = _embedding_parameters(module) if keep_embeddings else set()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if not parameter.is_floating_point():
                raise ModelError(f"{model.name}: weight {name} is {parameter.dtype}: load it unquantized")
            if id(parameter) not in kept:
                _redraw(parameter, rng)
    return module


def _embedding_parameters(module: Any) -> set[int]:
    from torch import nn

    holders = [m for m in module.modules() if isinstance(m, nn.Embedding)]
    holders += [m for m in (module.get_output_embeddings(),) if m is not None]
    return {id(parameter) for holder in holders for parameter in holder.parameters()}


def _redraw(parameter: Any, rng: np.random.Generator) -> None:
    import torch

    values = parameter.detach().double()
    mean, std = values.mean().item(), values.std(correction=0).item()
    draws = rng.standard_normal(tuple(parameter.shape), dtype=np.float32)
    parameter.copy_(torch.from_numpy(draws).to(parameter.device) * std + mean)
