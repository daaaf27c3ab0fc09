"""A side's SAEs by layer: found once, known by key and sizes, loaded when they are wanted."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.activations import KnownSae, stated
from congruence.config.run import SideConfig
from congruence.errors import ConfigError, SaeError
from congruence.hook_names import KINDS
from congruence.sides.devices import device_of
from congruence.storage import Memo, MemoryCache, folder_stamps

if TYPE_CHECKING:
    from congruence.saes import Catalogue, Sae, SaeEntry

LOADED_BYTES = 2 << 30
"""SAEs that stay loaded at a time, beyond those in use."""


class Shelf:
    """The SAEs that one entry of a side's section names: a folder or Hub id, or a path for each layer.

    Args:
        where: `saes` or `other_seed`.
        config: the side's section.
        memo: keeps what was found, under the stamps of the files where they lie on this machine.
    """

    def __init__(self, where: str | dict[int, str], config: SideConfig, memo: Memo) -> None:
        self.where, self.config, self.memo = where, config, memo
        self._loaded: MemoryCache[Any] = MemoryCache(LOADED_BYTES, _nbytes)
        self._catalogues: dict[str, Catalogue] = {}
        self._stamps: dict[str, Any] = {}

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Every layer that has an SAE, as far as names and configs tell."""
        if isinstance(self.where, dict):
            return tuple(sorted(self.where))
        path = self.where
        return tuple(self._kept("layers", [path, self.config.hook], path, lambda: self._listed(path)))

    def known(self, layer: int) -> KnownSae:
        """The SAE of a layer by key and sizes.

        Raises:
            ConfigError, SaeError: there is none, or several.
        """
        path, fold = self._path(layer), self.config.fold_decoder_norm
        alone = isinstance(self.where, dict)
        of = [path, None if alone else layer, self.config.hook, fold]
        facts = self._kept("known-sae", of, path, lambda: self._facts(layer))
        return KnownSae(
            facts["key"],
            facts["d_in"],
            facts["d_sae"],
            facts["where"],
            load=lambda: self.load(layer),
            decoder=lambda: self._decoder(layer),
            prepend_bos=facts["prepend_bos"],
        )

    def load(self, layer: int) -> "Sae":
        """The SAE itself; it stays loaded while there is room."""
        fold = self.config.fold_decoder_norm
        return self._loaded.get(
            layer,
            lambda: self._entry(layer).load(device=device_of(self.config.device), fold_decoder_norm=fold),
        )

    def let_go(self) -> None:
        """Forget what is loaded."""
        self._loaded.clear()

    def _decoder(self, layer: int) -> np.ndarray:
        return self._entry(layer).decoder(fold_decoder_norm=self.config.fold_decoder_norm)

    def _facts(self, layer: int) -> dict[str, Any]:
        entry = self._entry(layer)
        key = entry.key(fold_decoder_norm=self.config.fold_decoder_norm)
        where = entry.path if entry.sae_id == "." else f"{entry.path}/{entry.sae_id}"
        return {"key": key, "where": where, **self.memo.value("about", key, lambda: self._about(layer))}

    def _about(self, layer: int) -> dict[str, Any]:
        """Widths, from the tensors: a config may be wrong; and whether it was trained with BOS."""
        sae = self.load(layer)
        bos = stated(sae.metadata, "prepend_bos")
        return {
            "d_in": sae.d_in,
            "d_sae": sae.d_sae,
            "prepend_bos": bos if isinstance(bos, bool) else None,
        }

    def _entry(self, layer: int) -> "SaeEntry":
        catalogue = self._catalogue(self._path(layer))
        if isinstance(self.where, dict):
            return catalogue.one().describe()
        return catalogue.of_layer(layer, self.config.hook if self.config.hook in KINDS else None)

    def _path(self, layer: int) -> str:
        if not isinstance(self.where, dict):
            return self.where.replace("{layer}", str(layer))
        if layer not in self.where:
            raise ConfigError(
                f"saes has no path for layer {layer} of {self.config.label}: add it or drop the layer"
            )
        return self.where[layer]

    def _listed(self, path: str) -> list[int]:
        entries = [entry for entry in self._catalogue(path).entries if entry.layer is not None]
        hook = self.config.hook
        at_hook = [entry for entry in entries if entry.hook_point is None or entry.hook_point.kind == hook]
        return sorted({entry.layer for entry in at_hook or entries if entry.layer is not None})

    def _catalogue(self, path: str) -> "Catalogue":
        from congruence.saes import Catalogue

        if path not in self._catalogues:
            self._catalogues[path] = Catalogue(path)
        return self._catalogues[path]

    def _kept(self, kind: str, of: Any, path: str, compute: Any) -> Any:
        """From the memo while the files at `path` have the stamps they had; computed where it is no path."""
        if path not in self._stamps:
            place = Path(path).expanduser()
            place = place.parent if place.is_file() else place  # its config lies beside it
            self._stamps[path] = folder_stamps(place) if place.exists() else None
        if self._stamps[path] is None:
            return compute()
        return self.memo.value(kind, [of, self._stamps[path]], compute)


class LayerSaes(Mapping[int, "Sae"]):
    """SAEs by layer; each is loaded when it is asked for.

    Args:
        shelf: where they come from; None where there are none.
        layers: the layers.
        d_model: width that all must read; None where that can't be told from the hook.

    Raises:
        SaeError: one reads vectors of another width.
    """

    def __init__(self, shelf: Shelf | None, layers: tuple[int, ...], label: str, d_model: int | None) -> None:
        self.shelf = shelf
        self.known = {} if shelf is None else {layer: shelf.known(layer) for layer in layers}
        for layer, sae in self.known.items():
            if d_model is not None and sae.d_in != d_model:
                raise SaeError(
                    f"SAE {sae.where} reads vectors of {sae.d_in}, but {label} has d_model {d_model}: "
                    f"name the SAEs that were trained on layer {layer} of this model"
                )

    def __getitem__(self, layer: int) -> "Sae":
        return self.known[layer].load()

    def __iter__(self) -> Iterator[int]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def _nbytes(sae: "Sae") -> int:
    return (sae.W_enc.numel() + sae.W_dec.numel()) * sae.W_enc.element_size()
