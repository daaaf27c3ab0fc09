"""A language model that a Python call was given instead of a name: known by its weights."""

from typing import Any

from congruence.activations.known_sae import tensor_content
from congruence.errors import ModelError
from congruence.models import LanguageModel
from congruence.storage import content_key

_NOT_COMPUTING = ("_name_or_path", "transformers_version", "architectures")


def model_in_memory(model: Any, tokenizer: Any, name: str) -> LanguageModel:
    """A loaded model with its tokenizer; it is used where it lies, in evaluation mode.

    Args:
        model: a transformers model, or a `LanguageModel` of ours, which has its tokenizer.
        tokenizer: its tokenizer.
        name: what the side is called.

    Raises:
        ModelError: it isn't a model, its tokenizer is missing, or it has no blocks.
    """
    if isinstance(model, LanguageModel):
        return model
    if not hasattr(model, "state_dict") or not hasattr(model, "config"):
        raise ModelError(
            f"a {type(model).__name__} is given as model: give a transformers model with its tokenizer, or a "
            "folder or Hub id"
        )
    if tokenizer is None:
        raise ModelError(f"model {name}, in memory, has no tokenizer: give it as tokenizer beside model")
    return LanguageModel.from_module(model, tokenizer, name=name, key=_key(model, tokenizer))


def _key(model: Any, tokenizer: Any) -> str:
    """Key of weights, configuration and tokenizer: everything that the numbers depend on."""
    weights = {name: tensor_content(tensor) for name, tensor in model.state_dict().items()}
    config = {k: str(v) for k, v in model.config.to_dict().items() if k not in _NOT_COMPUTING}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items())
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    return content_key(
        ["in memory", type(model).__name__, config, weights, type(tokenizer).__name__, words, special]
    )
