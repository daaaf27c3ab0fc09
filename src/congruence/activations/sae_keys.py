"""A content key of what an SAE computes, whatever file it came from."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from congruence.storage import content_key

_NOT_COMPUTING = {"path", "metadata", "format", "hook_name", "hook_name_out", "name", "key"}


def sae_key(sae: Any) -> str:
    """Key of all tensors and settings of an SAE, where it lies and what it is called left out."""
    return content_key(_content(sae))


def _content(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        array = value.detach().cpu().contiguous()
        raw = array.view(torch.uint8) if array.ndim else array.reshape(1).view(torch.uint8)
        return [str(value.dtype), list(value.shape), raw.numpy()]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), value]
    if isinstance(value, dict):
        return {str(name): _content(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_content(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    names = [f.name for f in fields(value)] if is_dataclass(value) else list(getattr(value, "__dict__", {}))
    parts = {name: _content(getattr(value, name)) for name in names if name not in _NOT_COMPUTING}
    return [type(value).__name__, parts or str(value)]
