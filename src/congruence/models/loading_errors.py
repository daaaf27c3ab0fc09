"""What transformers and its companions raise while a model is loaded, as one line in our words."""

import contextlib
import logging
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from congruence.errors import ModelError

_KNOWN = (
    (
        ("trust_remote_code", "custom code"),
        "it comes with Python code of its own, which can do whatever you can and isn't run unasked: read "
        "that code, and if you trust it set trust_remote_code: true",
    ),
    (
        ("weights_only", "Weights only load failed"),
        "its weights are a pickle that holds more than tensors, which is never run: save the model anew as "
        "safetensors",
    ),
    (
        ("does not recognize this architecture", "Unrecognized model in"),
        "its model_type isn't one that this transformers knows: correct it in config.json, or upgrade "
        "transformers",
    ),
    (
        ("no file named model.safetensors", "no file named pytorch_model.bin"),
        "it holds no weights: put its model.safetensors beside config.json",
    ),
    (
        ("We couldn't connect to", "outgoing traffic has been disabled"),
        "it isn't in the Hub's cache, and the Hub can't be asked: check its name, or download it first",
    ),
    (
        ("deserializing header", "MetadataIncompleteBuffer", "unpack requires a buffer"),
        "its file of weights (model.safetensors or pytorch_model.bin) is cut short or isn't one: copy it "
        "again",
    ),
)
"""Words of their messages, and what is to be said instead."""
_MISSING = re.compile(r"does not appear to have a file named (\S+?)\.?(?:\s|$)")


@contextlib.contextmanager
def one_line(where: str) -> Iterator[None]:
    """Whatever is raised while a model loads, as one line that names it, and none of the libraries' notes.

    Raises:
        ModelError: in place of any other error.
    """
    from transformers.utils import logging as bars

    noisy = [logging.getLogger("huggingface_hub"), bars.get_logger("transformers")]
    levels, shown = [logger.level for logger in noisy], bars.is_progress_bar_enabled()
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    bars.disable_progress_bar()
    try:
        yield
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(f"model {where!r} can't be loaded: {_reason(error)}") from error
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)
        if shown:
            bars.enable_progress_bar()


def own_code(where: str, source: Mapping[str, Any]) -> ModelError | None:
    """What is said of a configuration that transformers doesn't know and whose class comes with the model.

    Args:
        where: folder or Hub id.
        source: what its configuration was asked for with.

    Returns:
        None where no code comes with it.
    """
    from transformers import PreTrainedConfig

    options = {name: value for name, value in source.items() if name != "trust_remote_code"}
    try:
        config, _ = PreTrainedConfig.get_config_dict(where, **options)
    except Exception:  # the first error says why
        return None
    named = config.get("auto_map")
    if not isinstance(named, Mapping) or not named or config.get("model_type") in _types():
        return None
    files = sorted({f"{str(one).rpartition('--')[2].rpartition('.')[0]}.py" for one in _classes(named)})
    told = (
        f"model {where!r} can't be loaded: it is of type {config.get('model_type')!r}, which transformers "
        f"knows only by Python code that comes with the model ({', '.join(files)})"
    )
    if not source.get("trust_remote_code"):
        return ModelError(
            f"{told}; that code can do whatever you can and isn't run unasked: read that code, and if you "
            "trust it set trust_remote_code: true"
        )
    if "AutoConfig" not in named:
        return ModelError(f"{told}, and its auto_map names no AutoConfig: add it to config.json")
    return None


def _types() -> Collection[str]:
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING


def _classes(auto_map: Mapping[str, Any]) -> list[Any]:
    """Every class that an auto_map names; tokenizers have two."""
    found: list[Any] = []
    for value in auto_map.values():
        found += value if isinstance(value, list) else [value]
    return [one for one in found if one]


def _reason(error: BaseException) -> str:
    told = f"{error} {error.__cause__ or error.__context__ or ''}"
    for words, ours in _KNOWN:
        if any(word in told for word in words):
            return ours
    if missing := _MISSING.search(told):
        return f"{missing[1]}, which its config.json names, isn't there: fetch the whole model"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
