"""The crosscoder that a name stands for: listed beside SAEs, read as the pairing that it is."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from congruence.errors import SaeError
from congruence.saes.crosscoder import Crosscoder, check_crosscoder
from congruence.saes.find import Catalogue
from congruence.saes.formats import CrosscoderFormat, Found
from congruence.saes.formats.base import understood
from congruence.saes.ids import some
from congruence.saes.loading import as_dtype, check_device


@dataclass(frozen=True)
class CrosscoderFiles:
    """A crosscoder that could be loaded.

    Attributes:
        found: its files; format: what reads them.
    """

    found: Found
    format: CrosscoderFormat

    def load(
        self, *, device: str | torch.device = "cpu", dtype: torch.dtype | str | None = None
    ) -> Crosscoder:
        """It, in float32 unless told otherwise.

        Raises:
            SaeError: one line naming the file and what is wrong with it.
        """
        check_device(device)
        with understood(self.found.files):
            read = self.format.crosscoder(self.found.files).to("cpu", as_dtype(dtype))
            crosscoder = check_crosscoder(replace(read, format=self.format.name))
        return crosscoder.to(device)

    def key(self) -> str:
        """Content key of its files."""
        return self.found.key()


def find_crosscoder(path_or_hub_id: str | Path, *, sae_id: str | None = None) -> CrosscoderFiles:
    """The crosscoder at a path or Hub id.

    Raises:
        SaeError: there is none, or several.
    """
    catalogue = Catalogue(path_or_hub_id)
    entries = [catalogue.one(sae_id).describe()] if sae_id else catalogue.entries
    wholes: dict[str, CrosscoderFiles] = {}
    for found in (entry.files() for entry in entries if entry.files is not None):
        if isinstance(found, Found) and isinstance(found.format, CrosscoderFormat):
            whole = found.sae_id.rpartition("/")[0] if found.format.whole_folder else found.sae_id
            wholes.setdefault(whole or ".", CrosscoderFiles(found, found.format))
    if not wholes:
        held = some(entry.sae_id for entry in entries)
        raise SaeError(
            f"{path_or_hub_id} holds no crosscoder, but SAEs ({held}): name them as saes of a side"
        )
    if len(wholes) > 1:
        raise SaeError(f"{path_or_hub_id} holds {len(wholes)} crosscoders ({some(wholes)}): name one")
    return next(iter(wholes.values()))


def load_crosscoder(
    path_or_hub_id: str | Path,
    *,
    sae_id: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | str | None = None,
) -> Crosscoder:
    """Read a crosscoder; its format is recognised from the files.

    Args:
        path_or_hub_id: as of `load_sae`.
        sae_id: which of several.
        device: where the tensors go.
        dtype: what they are cast to; by default float32.

    Raises:
        SaeError: one line naming the file, what is wrong with it and what to do.
    """
    return find_crosscoder(path_or_hub_id, sae_id=sae_id).load(device=device, dtype=dtype)
