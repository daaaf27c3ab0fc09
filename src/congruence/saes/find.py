"""SAEs by name: what a folder, Hub repository or SAELens release holds, and the one that is meant.

A source is listed once, and each of its SAEs recognised once, from names, configs and file headers.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch

from congruence.errors import SaeError, quoted
from congruence.hook_names import HookPoint
from congruence.saes.choice import at_hook, in_words, which
from congruence.saes.entry import SaeEntry, check_as_trained
from congruence.saes.formats import FORMATS, Found, SaeFiles, SaeFormat
from congruence.saes.ids import LAYER, for_any_layer, layer_by, meant, natural_order, some
from congruence.saes.loading import as_dtype, finished
from congruence.saes.near_misses import half_there, nothing_there
from congruence.saes.recognition import Unreadable, described, recognise
from congruence.saes.release_names import Release, split_release
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder, Source, open_source


class Catalogue:
    """The SAEs that a name stands for.

    Args:
        path_or_hub_id: a folder, a file, a Hub id (`owner/name`, or `owner/name/folder`), or a SAELens
            release name where sae-lens is installed; an id or a pattern with ``{layer}`` and wildcards may
            follow each.
        layer: of its SAEs, where ``{layer}`` stood in the name of the source itself.

    Raises:
        SaeError: there is no such thing.
    """

    def __init__(self, path_or_hub_id: str | Path, *, layer: int | None = None) -> None:
        if not isinstance(path_or_hub_id, str | Path) or not str(path_or_hub_id).strip():
            raise SaeError(f"{quoted(path_or_hub_id)} names no SAE: give a folder or a Hub id")
        self.name, self._layer = str(path_or_hub_id), layer
        self.release, self._below = split_release(path_or_hub_id)
        self._is_file = Path(path_or_hub_id).expanduser().is_file()
        if self.release is None:
            self.source, self._below = open_source(path_or_hub_id)
        else:
            self.source, _ = open_source(self.release.repo_id)
        self._by_id: dict[tuple[str, bool, bool], Found | Unreadable | None] = {}

    @cached_property
    def entries(self) -> list[SaeEntry]:
        """Every SAE, in natural order of their ids; those that can't be read say why in `problem`."""
        return self._listed(None)

    def of_layer(
        self, layer: int, hook: str | HookPoint | None = None, *, sae_id: str | None = None
    ) -> SaeEntry:
        """The SAE of one layer; arguments and errors are those of `find_sae`."""
        entries = self._near(layer)
        asked = f"layer {layer}" + (f" at {in_words(hook, layer)}" if hook else "")
        if sae_id is not None:
            asked += f" by the name {sae_id!r}"
            of_layer = self._named(entries, sae_id, layer)
        else:
            alone = len(entries) == 1 and entries[0].layer is None
            of_layer = entries if alone else [entry for entry in entries if entry.layer == layer]
        readable = [entry for entry in of_layer if not entry.problem]
        fitting = at_hook(readable, hook, layer) if len(of_layer) > 1 or sae_id is None else readable
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            raise SaeError(self._none(asked, entries, of_layer, sae_id))
        raise SaeError(f"{self.name} holds {len(fitting)} SAEs of {asked}{which(self.name, fitting, layer)}")

    def named(self, sae_id: str | None) -> list[SaeEntry]:
        """The readable SAEs of all layers that an id or pattern fits, each of the layer that it names.

        Raises:
            SaeError: none can be read.
        """
        entries = [entry for entry in self.entries if not entry.problem]
        if not entries:
            raise SaeError(self.entries[0].problem)
        if sae_id is None:
            return entries
        layers: dict[str, int | None] = {}
        for wanted in self._ways_of(sae_id):
            ids = meant([entry.sae_id for entry in entries], wanted, self._files())
            layers = layers or {one: layer_by(wanted, one, self._files()) for one in ids}
        return [entry.by_pattern(layers[entry.sae_id]) for entry in entries if entry.sae_id in layers]

    @property
    def incomplete(self) -> str:
        """Where was looked, if that is the local cache of a repository that couldn't be reached; else ""."""
        where = self.source.where if self.release is None else self.source.name
        return where if where != self.source.name else ""

    def alone(self) -> SaeEntry | None:
        """The only SAE there is, or the one that is the named folder itself."""
        entries = self.entries
        own = [entry for entry in entries if entry.sae_id == "."] or entries
        return own[0] if len(own) == 1 else None

    def one(self, sae_id: str | None = None) -> Found | Unreadable:
        """The files of the only SAE that `sae_id` stands for, or of the only one there is."""
        wanted = sae_id if self._is_file and sae_id else _joined(self._below, sae_id)
        if self.release is None:
            return self._only(wanted)
        if wanted is None:
            raise SaeError(
                f"release {self.release.name!r} holds {len(self.release.folders)} SAEs: name one by sae_id"
            )
        return self._in_release(wanted)

    def _named(self, entries: list[SaeEntry], sae_id: str, layer: int) -> list[SaeEntry]:
        """What an id or pattern means for a layer: of several that it fits, those of the layer."""
        ids: list[str] = []
        for wanted in self._ways_of(sae_id):
            named = wanted.replace(LAYER, str(layer))
            ids = ids or meant([entry.sae_id for entry in entries], named, self._files())
        found = [entry for entry in entries if entry.sae_id in ids]
        of_layer = [entry for entry in found if entry.layer in (None, layer)]
        if found and not of_layer and LAYER not in sae_id:
            raise SaeError(
                f"{self.name}: sae_id {sae_id!r} is of layer {found[0].layer}, not of layer {layer}: write "
                f"{LAYER} for its number ({for_any_layer(found[0].sae_id, found[0].layer or 0)}), or give a "
                "path for each layer"
            )
        return of_layer or [entry.by_pattern(layer) for entry in found]

    def _none(self, asked: str, entries: list[SaeEntry], of_layer: list[SaeEntry], sae_id: str | None) -> str:
        """Why there is no SAE of that layer and hook, and what there is instead."""
        problems = [entry.problem for entry in of_layer if entry.problem]
        if problems:
            return problems[0]
        name = self.name if self.release is not None else self.source.where
        if not of_layer or sae_id is not None:
            alone = len(entries) == 1 and entries[0].layer is not None
            there = f"that of layer {entries[0].layer}" if alone else some(entry.sae_id for entry in entries)
            return f"{name} holds no SAE of {asked}: it holds {there}"
        kinds = sorted({e.hook_point.kind if e.hook_point else str(e.hook_name) for e in of_layer})
        hook = f"set hook: {kinds[0]}" if len(kinds) == 1 else f"set hook to one of {', '.join(kinds)}"
        return f"{name} holds no SAE of {asked}: it holds {some(entry.told for entry in of_layer)}; {hook}"

    def _ways_of(self, sae_id: str) -> list[str]:
        """An id below the path that this catalogue was named by, and below its source."""
        below = _joined(self._below, sae_id)
        return [sae_id] if below in (None, sae_id) else [str(below), sae_id]

    def _files(self) -> Collection[str]:
        return self.source.files if self.release is None else ()

    def _near(self, layer: int) -> list[SaeEntry]:
        """Entries; on the Hub, where each may have a config to fetch, those whose path allows for `layer`."""
        if self.release is not None or isinstance(self.source, LocalFolder):
            return self.entries
        return self._listed(layer)

    def _listed(self, layer: int | None) -> list[SaeEntry]:
        if self.release is not None:
            return self._of_release(self.release)
        found = self._all(self._below)
        if layer is not None:
            found = [one for one in found if one.files.layer_from_name() in (None, layer)] or found
        half = {} if layer is not None else half_there(self.source.files, [one.sae_id for one in found])
        broken = [
            Unreadable(SaeFiles(self.source, folder), f"{self.source.where}: {told}")
            for folder, told in half.items()
            if self._below is None or folder in meant(half, self._below)
        ]
        found = sorted([*found, *broken], key=lambda one: natural_order(one.sae_id))
        entries = [self._by_pattern(described(one)) for one in found]
        if all(entry.problem and entry.format == "?" for entry in entries):
            raise SaeError(entries[0].problem)
        return entries

    def _by_pattern(self, entry: SaeEntry) -> SaeEntry:
        """The entry, of the layer that ``{layer}`` of this catalogue's name stands for."""
        layer = layer_by(self._below, entry.sae_id, self._files())
        return entry.by_pattern(self._layer if layer is None else layer)

    def _of_release(self, release: Release) -> list[SaeEntry]:
        entries = {entry.sae_id: entry for entry in release.entries()}
        ids = meant(entries, self._below)
        if not ids:
            raise SaeError(f"release {release.name!r} holds no SAE {self._below!r}: it holds {some(entries)}")
        return [
            self._by_pattern(replace(entries[sae_id], files=lambda one=sae_id: self._in_release(one)))
            for sae_id in ids
        ]

    def _in_release(self, sae_id: str) -> Found | Unreadable:
        assert self.release is not None
        found = self._only(self.release.folder(sae_id))
        if isinstance(found, Unreadable):
            return found
        return replace(found, input_factor=self.release.input_factors.get(sae_id))

    def _only(self, wanted: str | None) -> Found | Unreadable:
        """The only SAE that `wanted` stands for; where several do, one that is the source's own folder."""
        found = self._all(wanted)
        own = [one for one in found if one.sae_id == "."] or found
        if len(own) > 1:
            raise SaeError(
                f"{self.source.name} holds {len(own)} SAEs ({some(one.sae_id for one in own)}): "
                "name one by sae_id, or list them with `congruence saes`"
            )
        return own[0]

    def _all(self, wanted: str | None) -> "list[Found | Unreadable]":
        """The SAEs of the source that `wanted` stands for (see `ids.meant`), in natural order."""
        for names, alone in ((self._usual_names, False), (self._common_names, True)):
            ids = meant(names, wanted, self.source.files)
            uncertain = alone and len(ids) > 1
            found = [self._recognised(sae_id, alone, uncertain) for sae_id in ids]
            if known := [one for one in found if one is not None]:
                return known
        raise SaeError(nothing_there(self.source, wanted, sorted(self._usual_names, key=natural_order)))

    def _recognised(self, sae_id: str, alone: bool, uncertain: bool) -> Found | Unreadable | None:
        asked = (sae_id, alone, uncertain)
        if asked not in self._by_id:
            formats = (self._common_names if alone else self._usual_names)[sae_id]
            self._by_id[asked] = recognise(SaeFiles(self.source, sae_id), formats, uncertain)
        return self._by_id[asked]

    @cached_property
    def _usual_names(self) -> dict[str, list[SaeFormat]]:
        return _by_names(self.source, alone=False)

    @cached_property
    def _common_names(self) -> dict[str, list[SaeFormat]]:
        """Of formats whose file names are so common that they count only where no other fits."""
        return _by_names(self.source, alone=True)


def list_saes(path_or_hub_id: str | Path) -> list[SaeEntry]:
    """Every SAE below a folder or in a Hub repository, in natural order of their ids.

    Raises:
        SaeError: there is none, or one has the files of no known format.
    """
    return Catalogue(path_or_hub_id).entries


def find_sae(
    path_or_hub_id: str | Path, layer: int, hook: str | HookPoint | None = None, *, sae_id: str | None = None
) -> SaeEntry:
    """The SAE of one layer; `find_sae(...).load()` reads it.

    Args:
        path_or_hub_id: as for `load_sae`, and an id may follow it; `{layer}` in it stands for the layer:
            `google/gemma-scope-2b-pt-res/layer_{layer}/width_16k/canonical`.
        layer: block index.
        hook: kind (`resid_post`) or hook name (`layers.{layer}.mlp`) that it must read at; without it,
            where a layer has SAEs of several places, the residual stream's is meant.
        sae_id: pattern of the id where there are several a layer, with `{layer}` and wildcards:
            `layer_{layer}/width_16k/*`.

    Raises:
        SaeError: no SAE of that layer, or several; or ``{layer}`` names one whose own files say another
            layer, and no hook is given.
    """
    entry = catalogue_of(str(path_or_hub_id), layer).of_layer(layer, hook, sae_id=sae_id)
    if hook is None:
        entry.check_layer()
    return entry


def catalogue_of(path: str, layer: int) -> Catalogue:
    """The catalogue of a path with ``{layer}`` in it: of all layers, or of one with a source of its own."""
    try:
        return Catalogue(path)
    except SaeError:
        if LAYER not in path:
            raise
    return Catalogue(path.replace(LAYER, str(layer)), layer=layer)


def load_sae(
    path_or_hub_id: str | Path,
    *,
    sae_id: str | None = None,
    hook_name: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | str | None = None,
    fold_decoder_norm: bool = False,
) -> Sae:
    """Read one SAE; its format is recognised from the files.

    Args:
        path_or_hub_id: a folder, a file, a Hub id (`owner/name`, or `owner/name/folder`), or a SAELens
            release name where sae-lens is installed.
        sae_id: which of several: its path below `path_or_hub_id`, or a hook name of either dialect.
        hook_name: where the SAE reads, if the files don't say or are wrong.
        device: where the tensors go.
        dtype: what they are cast to; by default float32, whatever the file stores.
        fold_decoder_norm: scale decoder rows to norm 1 and activations up by what they lost.

    Raises:
        SaeError: one line naming the file, what is wrong with it and what to do.
    """
    wanted = as_dtype(dtype)
    found = Catalogue(path_or_hub_id).one(sae_id)
    check_as_trained(Path(path_or_hub_id) / found.sae_id)
    sae = found.read()
    return finished(
        sae, hook_name=hook_name, device=device, dtype=wanted, fold_decoder_norm=fold_decoder_norm
    )


def _by_names(source: Source, *, alone: bool) -> dict[str, list[SaeFormat]]:
    """Ids of what may be SAEs, with the formats that their file names fit."""
    formats_of: dict[str, list[SaeFormat]] = defaultdict(list)
    for one in map(FORMATS.get, FORMATS.names()):
        if one.only_if_alone == alone:
            for sae_id in one.ids(source.files):
                formats_of[sae_id].append(one)
    return formats_of


def _joined(below: str | None, sae_id: str | None) -> str | None:
    return "/".join(part for part in (below, sae_id) if part) or None
