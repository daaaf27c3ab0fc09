"""SAEs by name: what a folder, Hub repository or SAELens release holds, and the one that is meant.

A source is listed once, and each of its SAEs recognised once, from names, configs and file headers.
"""

from collections import defaultdict
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch

from congruence.errors import SaeError, quoted
from congruence.hook_names import HookPoint, parse_hook_name
from congruence.saes.entry import SaeEntry, check_as_trained
from congruence.saes.formats import FORMATS, Found, SaeFiles, SaeFormat
from congruence.saes.ids import canonical, meant, natural_order, some
from congruence.saes.loading import as_dtype, finished
from congruence.saes.release_names import Release, split_release
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder, Source, open_source


class Catalogue:
    """The SAEs that a name stands for.

    Args:
        path_or_hub_id: a folder, a file, a Hub id (`owner/name`, or `owner/name/folder`), or a SAELens
            release name where sae-lens is installed; an id may follow the latter two.

    Raises:
        SaeError: there is no such thing.
    """

    def __init__(self, path_or_hub_id: str | Path) -> None:
        if not isinstance(path_or_hub_id, str | Path) or not str(path_or_hub_id).strip():
            raise SaeError(f"{quoted(path_or_hub_id)} names no SAE: give a folder or a Hub id")
        self.name = str(path_or_hub_id)
        self.release, self._below = split_release(path_or_hub_id)
        self._is_file = Path(path_or_hub_id).expanduser().is_file()
        if self.release is None:
            self.source, self._below = open_source(path_or_hub_id)
        else:
            self.source, _ = open_source(self.release.repo_id)
        self._by_id: dict[tuple[str, bool, bool], Found | None] = {}

    @cached_property
    def entries(self) -> list[SaeEntry]:
        """Every SAE, in natural order of their ids."""
        return self._listed(None)

    def of_layer(
        self, layer: int, hook: str | HookPoint | None = None, *, sae_id: str | None = None
    ) -> SaeEntry:
        """The SAE of one layer; arguments and errors are those of `find_sae`."""
        if sae_id is not None:
            entries = self._near(layer)
            ids = meant([entry.sae_id for entry in entries], sae_id.replace("{layer}", str(layer)))
            fitting = [entry for entry in entries if entry.sae_id in ids]
        else:
            entries = self._near(layer)
            alone = len(entries) == 1 and entries[0].layer is None
            of_layer = entries if alone else [entry for entry in entries if entry.layer == layer]
            fitting = _one_of_sweep(_at_kind(of_layer, hook))
        if len(fitting) == 1:
            return fitting[0]
        asked = f"layer {layer}" + (f" at {hook}" if hook else "")
        asked += f" by the name {sae_id!r}" if sae_id else ""
        if not fitting:
            raise SaeError(
                f"{self.name} holds no SAE of {asked}: it holds {some(entry.sae_id for entry in entries)}"
            )
        raise SaeError(
            f"{self.name} holds {len(fitting)} SAEs of {asked} ({some(entry.sae_id for entry in fitting)}): "
            "name one by sae_id"
        )

    def one(self, sae_id: str | None = None) -> Found:
        """The files of the only SAE that `sae_id` stands for, or of the only one there is."""
        wanted = sae_id if self._is_file and sae_id else _joined(self._below, sae_id)
        if self.release is None:
            return self._only(wanted)
        if wanted is None:
            raise SaeError(
                f"release {self.release.name!r} holds {len(self.release.folders)} SAEs: name one by sae_id"
            )
        found = self._only(self.release.folder(wanted))
        return replace(found, input_factor=self.release.input_factors.get(wanted))

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
        return [one.describe() for one in found]

    def _of_release(self, release: Release) -> list[SaeEntry]:
        entries = {entry.sae_id: entry for entry in release.entries()}
        ids = meant(entries, self._below)
        if not ids:
            raise SaeError(f"release {release.name!r} holds no SAE {self._below!r}: it holds {some(entries)}")
        return [replace(entries[sae_id], files=lambda one=sae_id: self._in_release(one)) for sae_id in ids]

    def _in_release(self, sae_id: str) -> Found:
        assert self.release is not None
        found = self._only(self.release.folder(sae_id))
        return replace(found, input_factor=self.release.input_factors.get(sae_id))

    def _only(self, wanted: str | None) -> Found:
        """The only SAE that `wanted` stands for; where several do, one that is the source's own folder."""
        found = self._all(wanted)
        own = [one for one in found if one.sae_id == "."] or found
        if len(own) > 1:
            raise SaeError(
                f"{self.source.name} holds {len(own)} SAEs ({some(one.sae_id for one in own)}): "
                "name one by sae_id, or list them with `congruence saes`"
            )
        return own[0]

    def _all(self, wanted: str | None) -> list[Found]:
        """The SAEs of the source that `wanted` stands for (see `ids.meant`), in natural order."""
        for names, alone in ((self._usual_names, False), (self._common_names, True)):
            ids = meant(names, wanted, self.source.files)
            uncertain = alone and len(ids) > 1
            found = [self._recognised(sae_id, alone, uncertain) for sae_id in ids]
            if known := [one for one in found if one is not None]:
                return known
        raise SaeError(_nothing(self.source, wanted, sorted(self._usual_names, key=natural_order)))

    def _recognised(self, sae_id: str, alone: bool, uncertain: bool) -> Found | None:
        asked = (sae_id, alone, uncertain)
        if asked not in self._by_id:
            formats = (self._common_names if alone else self._usual_names)[sae_id]
            self._by_id[asked] = _recognise(SaeFiles(self.source, sae_id), formats, uncertain)
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
        hook: kind (`resid_post`) or hook name it must read at, where there are several kinds a layer.
        sae_id: pattern of the id where there are several a layer, with `{layer}` and wildcards:
            `layer_{layer}/width_16k/*`.

    Raises:
        SaeError: no SAE of that layer, or several.
    """
    path = str(path_or_hub_id).replace("{layer}", str(layer))
    return Catalogue(path).of_layer(layer, hook, sae_id=sae_id)


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


def _recognise(files: SaeFiles, formats: list[SaeFormat], may_be_something_else: bool) -> Found | None:
    try:
        fitting = [one for one in formats if one.accepts(files)]
    except SaeError:
        if may_be_something_else:
            return None
        raise
    if len(fitting) == 1:
        return Found(fitting[0], files)
    if fitting:
        named = "; ".join(f"{one.name} ({one.looks_for})" for one in fitting)
        raise SaeError(
            f"{files.label} fits several SAE formats: {named}; leave the files of one of them there"
        )
    if may_be_something_else:
        return None
    named = "; ".join(f"{one.name} ({one.looks_for})" for one in formats)
    raise SaeError(f"{files.label} was looked at as {named}, but its contents aren't that")


def _nothing(source: Source, wanted: str | None, ids: list[str]) -> str:
    if ids:
        return f"{source.name} holds no SAE {wanted!r}: it holds {some(ids)}"
    looked = "; ".join(f"{name} ({FORMATS.get(name).looks_for})" for name in FORMATS.names())
    found = some(sorted(source.files, key=natural_order)) or "nothing"
    return f"{source.name} holds no SAE: looked for {looked}; found {found}"


def _one_of_sweep(entries: list[SaeEntry]) -> list[SaeEntry]:
    """Of Gemma Scope's SAEs of one layer and width, the canonical one."""
    ids = canonical([entry.sae_id for entry in entries]) if len(entries) > 1 else []
    return [entry for entry in entries if entry.sae_id in ids] or entries


def _at_kind(entries: list[SaeEntry], hook: str | HookPoint | None) -> list[SaeEntry]:
    """Entries that read at that kind of hook; those that don't say stay in."""
    if hook is None:
        residual = [entry for entry in entries if entry.hook_point and entry.hook_point.kind == "resid_post"]
        return residual or entries
    point = parse_hook_name(hook) if isinstance(hook, str) else hook
    kind = point.kind if point else str(hook)
    exact = [entry for entry in entries if entry.hook_point and entry.hook_point.kind == kind]
    return exact or [entry for entry in entries if entry.hook_point is None]


def _joined(below: str | None, sae_id: str | None) -> str | None:
    return "/".join(part for part in (below, sae_id) if part) or None
