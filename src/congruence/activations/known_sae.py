"""SAEs as a capture takes them: known by key and sizes, loaded when something is to be encoded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from congruence.storage import content_key

_NOT_COMPUTING = {"path", "metadata", "format", "hook_name", "hook_name_out", "name", "key"}


@dataclass(frozen=True, eq=False)
class KnownSae:
    """What is known of an SAE before it is loaded.

    Attributes:
        key: content key of what it computes.
        d_in, d_sae: width of its input, and number of features.
        where: where it lies, for messages; "" where nobody knows.
        prepend_bos: whether it was trained on rows that begin with BOS; None where its file doesn't say.
        load: gives the SAE.
        decoder: gives its (d_sae, d_out) float32 decoder rows.
        about: what else is known, for the record of what made a result: source, sae_id, files, format,
            hook_name, architecture, model.
    """

    key: str
    d_in: int
    d_sae: int
    where: str
    load: Callable[[], Any] = field(repr=False)
    decoder: Callable[[], np.ndarray] = field(repr=False)
    prepend_bos: bool | None = None
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, sae: Any) -> "KnownSae":
        """The same of an SAE that is loaded."""
        where = str(getattr(sae, "path", None) or "")
        bos = stated(getattr(sae, "metadata", {}), "prepend_bos")
        about = {name: getattr(sae, name, None) for name in ("format", "hook_name", "architecture")}
        return cls(
            sae_key(sae),
            sae.d_in,
            sae.d_sae,
            where,
            load=lambda: sae,
            decoder=lambda: decoder_rows(sae),
            prepend_bos=bos if isinstance(bos, bool) else None,
            about=about | {"source": where or "in memory", "sae_id": "."},
        )

    @property
    def nbytes(self) -> int:
        """Bytes of encoder and decoder in float32."""
        return 8 * self.d_in * self.d_sae


def stated(metadata: Mapping[str, Any], name: str) -> Any:
    """What an SAE's file says of its training, in SAELens' `metadata` or beside it; None where it doesn't."""
    inner = metadata.get("metadata")
    found = inner.get(name) if isinstance(inner, Mapping) else None
    return metadata.get(name) if found is None else found


def decoder_rows(sae: Any) -> np.ndarray:
    """(d_sae, d_out) float32: the vector each feature writes."""
    return sae.W_dec.detach().float().cpu().numpy()


def sae_key(sae: Any) -> str:
    """Key of all tensors and settings of an SAE, where it lies and what it is called left out."""
    return content_key(_content(sae))


def _content(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return tensor_content(value)
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


def tensor_content(tensor: Any) -> list[Any]:
    """Type, shape and bytes of a tensor, for a content key."""
    import torch

    array = tensor.detach().cpu().contiguous()
    raw = array.view(torch.uint8) if array.ndim else array.reshape(1).view(torch.uint8)
    return [str(tensor.dtype), list(tensor.shape), raw.numpy()]
