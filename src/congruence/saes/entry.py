"""One line of a listing: an SAE that could be loaded, described without reading its weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from congruence.hook_names import HookPoint, parse_hook_name

if TYPE_CHECKING:
    import torch

    from congruence.saes.sae import Sae


@dataclass(frozen=True)
class SaeEntry:
    """Where an SAE is, and what can be said about it from names, configs and file headers.

    Attributes:
        path: the folder or Hub repository it was listed from.
        sae_id: its name below `path`, "." for the folder itself; `load_sae(path, sae_id=sae_id)` reads it.
        format: registered format name.
        layer: block index; hook_name: where it reads; None where nothing says so.
        d_in, d_sae, architecture: as far as they are known without the weights.
    """

    path: str
    sae_id: str
    format: str
    layer: int | None = None
    hook_name: str | None = None
    d_in: int | None = None
    d_sae: int | None = None
    architecture: str | None = None

    @property
    def hook_point(self) -> HookPoint | None:
        """`hook_name` as (layer, kind)."""
        return parse_hook_name(self.hook_name) if self.hook_name else None

    def load(self, *, device: str = "cpu", dtype: "torch.dtype | str | None" = None, **options: Any) -> "Sae":
        """`load_sae` of this entry."""
        from congruence.saes.loading import load_sae

        return load_sae(self.path, sae_id=self.sae_id, device=device, dtype=dtype, **options)
