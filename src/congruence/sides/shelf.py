"""A side's SAEs by layer: found once, known by key and sizes, loaded when they are wanted."""

import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.activations import KnownSae, stated
from congruence.config.run import SideConfig
from congruence.config.saes import Given, SaeSource
from congruence.errors import ConfigError, SaeError
from congruence.hook_names import KINDS, parse_hook_name
from congruence.sides.devices import device_of
from congruence.storage import Memo, MemoryCache, folder_stamps
from congruence.storage.places import split_at_existing, stands_for_something

if TYPE_CHECKING:
    from congruence.saes import Catalogue, Sae, SaeEntry

logger = logging.getLogger(__name__)

LOADED_BYTES = 2 << 30
"""SAEs that stay loaded at a time, beyond those in use."""


class Shelf:
    """The SAEs that one entry of a side's section names.

    Args:
        where: `saes` or `other_seed`: a folder, Hub id or pattern, a path with details, either of them for
            each layer, or objects in memory.
        config: the side's section.
        memo: keeps what was found, under the stamps of the files where they lie on this machine.
        sae_id: which of several, for entries that don't say themselves.
    """

    def __init__(self, where: Any, config: SideConfig, memo: Memo, *, sae_id: str | None = None) -> None:
        self.where, self.config, self.memo, self.sae_id = where, config, memo, sae_id
        self._loaded: MemoryCache[Any] = MemoryCache(LOADED_BYTES, _nbytes)
        self._catalogues: dict[tuple[str, int | None], Catalogue] = {}
        self._stamps: dict[str, Any] = {}

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Every layer that has an SAE, as far as names and configs tell."""
        if isinstance(self.where, dict):
            return tuple(sorted(self.where))
        if isinstance(self.where, Given):
            layer = in_memory(self.where.value).layer
            return () if layer is None else (layer,)
        source = self._source(0)
        if source.plain:
            return () if source.layer is None else (source.layer,)
        of = [source.path, source.sae_id, self.config.hook]
        return tuple(self._kept("layers", of, source.path, lambda: self._listed(source)))

    def known(self, layer: int) -> KnownSae:
        """The SAE of a layer by key and sizes.

        Raises:
            ConfigError, SaeError: there is none, or several.
        """
        entry = self._named(layer)
        if isinstance(entry, Given):
            return KnownSae.of(self.load(layer))
        told = [self.config.hook, self._hook_is_told(entry)]
        of = [entry.model_dump(), layer, told, self.config.fold_decoder_norm]
        facts = self._kept("known-sae", of, entry.path, lambda: self._facts(layer))
        return KnownSae(
            facts["key"],
            facts["d_in"],
            facts["d_sae"],
            facts["where"],
            load=lambda: self.load(layer),
            decoder=lambda: self._decoder(layer),
            prepend_bos=facts["prepend_bos"],
            about=facts["about"],
        )

    def check(self, layer: int) -> None:
        """See by names and configs that there is exactly one SAE of a layer, without reading it.

        Raises:
            ConfigError, SaeError: there is none, or several.
        """
        if not isinstance(self._named(layer), Given):
            self._entry(layer)

    def load(self, layer: int) -> "Sae":
        """The SAE itself; it stays loaded while there is room."""
        device, fold = device_of(self.config.device), self.config.fold_decoder_norm
        entry = self._named(layer)
        if isinstance(entry, Given):
            from congruence.saes.loading import finished

            sae = in_memory(entry.value)
            return self._loaded.get(layer, lambda: finished(sae, device=device, fold_decoder_norm=fold))
        name = entry.hook.replace("{layer}", str(layer)) if entry.hook and "." in entry.hook else None
        return self._loaded.get(
            layer,
            lambda: self._entry(layer).load(device=device, fold_decoder_norm=fold, hook_name=name),
        )

    def let_go(self) -> None:
        """Forget what is loaded."""
        self._loaded.clear()

    def _decoder(self, layer: int) -> np.ndarray:
        return self._entry(layer).decoder(fold_decoder_norm=self.config.fold_decoder_norm)

    def _facts(self, layer: int) -> dict[str, Any]:
        entry = self._entry(layer)
        key = entry.key(fold_decoder_norm=self.config.fold_decoder_norm)
        known = self.memo.value("about", key, lambda: self._about(layer))
        told = {
            "source": entry.path,
            "sae_id": entry.sae_id,
            "files": entry.names(),
            "format": entry.format,
            "hook_name": entry.hook_name,
            "architecture": known["architecture"],
            "model": entry.model,
        }
        return {"key": key, "where": entry.where, "about": told, **known}

    def _about(self, layer: int) -> dict[str, Any]:
        """Widths and rule, from the tensors: a config may be wrong; and whether it was trained with BOS."""
        sae = self.load(layer)
        bos = stated(sae.metadata, "prepend_bos")
        return {
            "d_in": sae.d_in,
            "d_sae": sae.d_sae,
            "architecture": sae.architecture,
            "prepend_bos": bos if isinstance(bos, bool) else None,
        }

    def _named(self, layer: int) -> SaeSource | Given:
        """What the configuration says of a layer's SAE."""
        where = self.where
        if isinstance(where, dict):
            if layer not in where:
                raise ConfigError(
                    f"saes has no path for layer {layer} of {self.config.label}: add it or drop the layer"
                )
            where = where[layer]
        return where if isinstance(where, Given) else self._with_id(where)

    def _source(self, layer: int) -> SaeSource:
        named = self._named(layer)
        assert isinstance(named, SaeSource)
        return named

    def _with_id(self, where: str | SaeSource) -> SaeSource:
        source = SaeSource(path=where) if isinstance(where, str) else where
        return source.model_copy(update={"sae_id": source.sae_id or self.sae_id})

    def _entry(self, layer: int) -> "SaeEntry":
        source = self._source(layer)
        if source.layer not in (None, layer):
            raise ConfigError(
                f"saes has hook {source.hook} for layer {layer} of {self.config.label}: correct hook or "
                "layers"
            )
        if source.plain:
            return plain_entry(source, layer)
        catalogue = self._catalogue(source.path, layer)
        if isinstance(self.where, dict) and source.sae_id is None and (alone := catalogue.alone()):
            entry = alone
        else:
            entry = catalogue.of_layer(layer, self.config.hook, sae_id=source.sae_id)
        if not self._hook_is_told(source):
            entry.check_layer()
        if isinstance(self.where, dict):
            return entry
        asked = self.config.layers
        if entry.layer is None and asked != "all" and len(asked) > 1:
            raise SaeError(
                f"SAE {entry.where} tells no layer, and layers are {asked}: name a path for each under saes"
            )
        return entry

    def _hook_is_told(self, source: SaeSource) -> bool:
        """Whether the user says himself where the SAEs read, so that files that say otherwise are wrong."""
        return source.hook is not None or "hook" in self.config.model_fields_set

    def _listed(self, source: SaeSource) -> list[int]:
        catalogue = self._catalogue(source.path, None)
        entries = catalogue.named(source.sae_id)
        of_layer = {entry.layer: at_hook_of(entries, self.config.hook, entry.layer) for entry in entries}
        layers = {layer for layer, fitting in of_layer.items() if layer is not None and fitting}
        found = sorted(layers or {layer for layer in of_layer if layer is not None})
        if catalogue.incomplete and self.config.layers == "all":
            told = ", ".join(map(str, found)) or "none"
            logger.warning("%s holds SAEs of layers %s: all of them means these", catalogue.incomplete, told)
        return found

    def _catalogue(self, path: str, layer: int | None) -> "Catalogue":
        from congruence.saes.find import Catalogue, catalogue_of

        for asked in ((path, None), (path, layer)):
            if asked in self._catalogues:
                return self._catalogues[asked]
        found = Catalogue(path) if layer is None else catalogue_of(path, layer)
        self._catalogues[path, None if found.name == path else layer] = found
        return found

    def _kept(self, kind: str, of: Any, path: str, compute: Any) -> Any:
        """From the memo while the files at `path` have the stamps they had; computed where it is no path."""
        if path not in self._stamps:
            self._stamps[path] = _stamps(Path(path).expanduser().absolute())
        if self._stamps[path] is None:
            return compute()
        return self.memo.value(kind, [of, self._stamps[path]], compute)


def _stamps(place: Path) -> Any:
    """Stamps of all files that a path or pattern may stand for; None where it stands for none here."""
    if place.is_file():
        return folder_stamps(place.parent)  # its config lies beside it
    if place.is_dir():
        return folder_stamps(place)
    split = split_at_existing(place) if stands_for_something(place) else None
    return None if split is None else folder_stamps(split[0])


def in_memory(sae: Any) -> "Sae":
    """An SAE that a Python call was given, as ours."""
    from congruence.saes.adapters import from_anything

    return from_anything(sae)


def at_hook_of(entries: "list[SaeEntry]", hook: str, layer: int | None) -> "list[SaeEntry]":
    """The readable SAEs of a layer that read at a side's hook."""
    from congruence.saes.choice import at_hook

    of_layer = [entry for entry in entries if entry.layer == layer]
    return at_hook(of_layer, hook, layer or 0)


def plain_entry(source: SaeSource, layer: int) -> "SaeEntry":
    """A home-made file, to be read by its shapes as the configuration says."""
    from congruence.saes.entry import SaeEntry
    from congruence.saes.plain import PlainFile, PlainReading, plain_file

    path = Path(source.path.replace("{layer}", str(layer))).expanduser()
    path = path / source.sae_id.replace("{layer}", str(layer)) if source.sae_id else path
    hook = source.hook.replace("{layer}", str(layer)) if source.hook else None
    hook = hook if hook is None or parse_hook_name(hook) else f"{hook}.{layer}" if hook in KINDS else hook
    file = PlainFile(plain_file(path), PlainReading(**source.plain, hook_name=hook))
    return SaeEntry(str(path), ".", "plain", layer=layer, hook_name=hook, files=lambda: file)


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
