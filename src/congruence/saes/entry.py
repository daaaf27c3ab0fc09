"""One line of a listing: an SAE that could be loaded, described without reading its weights."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from congruence.errors import SaeError
from congruence.hook_names import HookPoint, parse_hook_name
from congruence.saes.folding import unit_rows
from congruence.saes.loading import finished
from congruence.saes.sae import Sae
from congruence.storage import NotWhole, OtherKind, content_key, open_artefact


def check_as_trained(folder: Path) -> None:
    """Refuse an SAE of `train-sae` whose files aren't those that it stored.

    Raises:
        SaeError: they aren't.
    """
    record = folder / "training.json"
    if not record.is_file():
        return
    try:
        open_artefact(record, "sae-training", 2, oldest=1, unsealed=1).check()
    except OtherKind:
        return
    except NotWhole as error:
        raise SaeError(f"{error}: train it again, or remove {record} to use it as it is") from error


@runtime_checkable
class Readable(Protocol):
    """An SAE's files with the format that reads them."""

    def read(self) -> Sae: ...

    def decoder(self) -> torch.Tensor | None: ...

    def key(self) -> str: ...

    def names(self) -> list[str]: ...


@dataclass(frozen=True)
class SaeEntry:
    """Where an SAE is, and what can be said about it from names, configs and file headers.

    Attributes:
        path: the folder or Hub repository it was listed from.
        sae_id: its name below `path`, "." for the folder itself; `load_sae(path, sae_id=sae_id)` reads it.
        format: registered format name.
        layer: block index; hook_name: where it reads; None where nothing says so.
        own_layer: what its own files say, where ``{layer}`` of a pattern makes it the SAE of another.
        d_in, d_sae, architecture: as far as they are known without the weights.
        l0: features that fire on a token, as its name or config says; model: the model that it names.
        problem: why it can't be read, in one line; "" where nothing speaks against it.
        files: gives its files, recognised; whoever lists SAEs fills it in.
    """

    path: str
    sae_id: str
    format: str
    layer: int | None = None
    hook_name: str | None = None
    d_in: int | None = None
    d_sae: int | None = None
    architecture: str | None = None
    l0: float | None = None
    model: str | None = None
    problem: str = ""
    own_layer: int | None = None
    files: Callable[[], Readable] | None = field(default=None, repr=False, compare=False)

    @property
    def hook_point(self) -> HookPoint | None:
        """`hook_name` as (layer, kind)."""
        return parse_hook_name(self.hook_name) if self.hook_name else None

    @property
    def where(self) -> str:
        """Path or repository, and the id below it."""
        return self.path if self.sae_id == "." else f"{self.path}/{self.sae_id}"

    @property
    def told(self) -> str:
        """The id, with where it reads and whether that is a transcoder."""
        name = Path(self.path).name if self.sae_id == "." else self.sae_id
        about = (
            [f"at {self.hook_point.kind if self.hook_point else self.hook_name}"] if self.hook_name else []
        )
        about += ["a transcoder"] if "transcoder" in (self.architecture or "") else []
        return f"{name} ({', '.join(about)})" if about else name

    def by_pattern(self, layer: int | None) -> "SaeEntry":
        """The entry as the SAE of the layer that ``{layer}`` stands for; unchanged for None."""
        if layer is None or layer == self.layer:
            return self
        return replace(self, layer=layer, own_layer=self.layer)

    @property
    def pairing(self) -> str | None:
        """Path of the crosscoder that this is or is a file of; None for SAEs."""
        if self.architecture != "crosscoder":
            return None
        return self.where.rpartition("/")[0] if self.sae_id.endswith(".safetensors") else self.where

    def by_itself(self) -> "SaeEntry":
        """The entry as the SAE of the layer that its own files say."""
        return self if self.own_layer is None else replace(self, layer=self.own_layer, own_layer=None)

    def check_layer(self) -> None:
        """Refuse what ``{layer}`` makes the SAE of a layer that its own files contradict.

        Raises:
            SaeError: names the file, its hook and the layer asked for.
        """
        if self.own_layer is None:
            return
        told = f"hook {self.hook_name}" if self.hook_name else f"layer {self.own_layer}"
        kind = self.hook_point.kind if self.hook_point else "resid_post"
        raise SaeError(
            f"{self.where}: {{layer}} makes it the SAE of layer {self.layer}, and its own files say {told}: "
            f"name the SAE of layer {self.layer}, or set hook: {kind} if its files are wrong"
        )

    def load(self, *, device: str = "cpu", dtype: torch.dtype | str | None = None, **options: Any) -> Sae:
        """`load_sae` of this entry."""
        return finished(self._readable().read(), device=device, dtype=dtype, **options)

    def decoder(self, *, fold_decoder_norm: bool = False) -> np.ndarray:
        """(d_sae, d_out) float32 decoder rows; the other tensors aren't read where the file allows that."""
        rows = self._readable().decoder()
        if rows is None:
            rows = self.load(fold_decoder_norm=fold_decoder_norm).W_dec
        else:
            rows = unit_rows(rows.float())[0] if fold_decoder_norm else rows.float()
        return rows.detach().cpu().numpy()

    def names(self) -> list[str]:
        """Names of the files whose bytes decide what it computes."""
        return self._readable().names()

    def key(self, *, fold_decoder_norm: bool = False) -> str:
        """Content key of what the SAE computes: bytes of its files, and how they are read."""
        return content_key(["sae", self._readable().key(), fold_decoder_norm])

    def _readable(self) -> Readable:
        if self.files is None:
            raise SaeError(
                f"this entry of {self.sae_id!r} comes from no listing: call load_sae({self.path!r}, sae_id=…)"
            )
        check_as_trained(Path(self.path) / self.sae_id)
        return self.files()
