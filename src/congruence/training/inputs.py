"""What SAE training reads: the language model, its tokens and the hook points."""

from congruence.config.sections import CorpusConfig
from congruence.errors import ConfigError, CorpusError
from congruence.hook_names import HookPoint, hook_point
from congruence.models import Corpus, LanguageModel, Tokens, corpus_of, load_model
from congruence.sides.corpus import max_tokens, read_corpus, read_tokens
from congruence.sides.positions import without_leading
from congruence.sides.side import device_of, dtype_of, hook_name
from congruence.training.config import TrainSaeConfig


def training_model(config: TrainSaeConfig) -> LanguageModel:
    """The language model on the device that the configuration asks for."""
    return load_model(
        config.model,
        device=device_of(config.device),
        dtype=dtype_of(config.dtype, config.device),
        base=config.base,
        trust_remote_code=config.trust_remote_code,
    )


def training_hooks(config: TrainSaeConfig, model: LanguageModel) -> tuple[HookPoint, ...]:
    """The hook points of the layers asked for.

    Raises:
        ConfigError: the model has no such layer.
    """
    layers = range(model.n_layers) if config.layers == "all" else config.layers
    if max(layers) >= model.n_layers:
        raise ConfigError(
            f"layer {max(layers)} isn't in {model.name}: it has layers 0 to {model.n_layers - 1}"
        )
    hooks = tuple(hook_point(hook_name(config.hook, layer)) for layer in layers)
    for hook in hooks:
        model.taps(str(hook))
    return hooks


def training_tokens(config: TrainSaeConfig, model: LanguageModel) -> tuple[Tokens, Tokens]:
    """Tokens to train on, and held-out tokens to measure on.

    Raises:
        CorpusError: a text is missing or too short.
    """
    corpus = read_corpus(config.corpus)
    if config.held_out is None:
        corpus, held_out = _split(corpus, config.held_out_documents)
    else:
        held_out = read_corpus(config.held_out)
    return _tokens(corpus, config.corpus, model), _tokens(held_out, config.held_out or config.corpus, model)


def _tokens(corpus: Corpus, config: CorpusConfig, model: LanguageModel) -> Tokens:
    begins = None if config.prepend_bos == "auto" else config.prepend_bos
    tokens = read_tokens(corpus, config, model, max_tokens(config, model), prepend_bos=begins)
    return without_leading(tokens, config.skip_first, "skip_first")


def _split(corpus: Corpus, held_out: int) -> tuple[Corpus, Corpus]:
    if held_out >= len(corpus):
        raise CorpusError(
            f"corpus {corpus.name!r} has {len(corpus)} documents, and {held_out} are to be held out: "
            "lower held_out_documents or give more text"
        )
    return corpus_of(corpus.texts[:-held_out], corpus.name), corpus_of(corpus.texts[-held_out:], corpus.name)
