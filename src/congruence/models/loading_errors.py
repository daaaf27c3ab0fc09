"""What transformers and its companions raise while a model is loaded, as one line in our words."""

import contextlib
import logging
from collections.abc import Iterator

from congruence.errors import ModelError

_KNOWN = (
    (
        ("trust_remote_code", "custom code"),
        "it comes with Python code of its own, which isn't run unasked: read that code, and if you trust it "
        "set trust_remote_code: true",
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
        ("deserializing header", "MetadataIncompleteBuffer", "unpack requires a buffer"),
        "its file of weights (model.safetensors or pytorch_model.bin) is cut short or isn't one: copy it "
        "again",
    ),
    (
        ("not compiled with CUDA", "No CUDA GPUs", "invalid device ordinal", "NVIDIA driver"),
        "its device, a CUDA GPU, isn't there or this torch can't use it: set device: cpu, or install "
        "torch for CUDA",
    ),
)
"""Words of their messages, and what is to be said instead."""


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


def _reason(error: BaseException) -> str:
    told = f"{error} {error.__cause__ or error.__context__ or ''}"
    for words, ours in _KNOWN:
        if any(word in told for word in words):
            return ours
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
