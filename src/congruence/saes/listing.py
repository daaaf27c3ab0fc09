"""What SAEs a folder or Hub repository holds, and which of them belongs to a layer."""

from pathlib import Path

from congruence.errors import SaeError
from congruence.hook_names import HookPoint, parse_hook_name
from congruence.saes.entry import SaeEntry
from congruence.saes.ids import canonical, meant, some
from congruence.saes.locations import locate, split_release
from congruence.saes.recognition import find_all
from congruence.saes.release_names import Release
from congruence.saes.sources import LocalFolder


def list_saes(path_or_hub_id: str | Path) -> list[SaeEntry]:
    """Every SAE below a folder or in a Hub repository, in natural order of their ids.

    Raises:
        SaeError: there is none, or one has the files of no known format.
    """
    return _listed(path_or_hub_id)


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
    entries = _listed(path, layer)
    if sae_id is not None:
        ids = meant([entry.sae_id for entry in entries], sae_id.replace("{layer}", str(layer)))
        fitting = [entry for entry in entries if entry.sae_id in ids]
    else:
        alone = len(entries) == 1 and entries[0].layer is None
        of_layer = entries if alone else [entry for entry in entries if entry.layer == layer]
        fitting = _one_of_sweep(_at_kind(of_layer, hook))
    if len(fitting) == 1:
        return fitting[0]
    asked = (
        f"layer {layer}" + (f" at {hook}" if hook else "") + (f" by the name {sae_id!r}" if sae_id else "")
    )
    if not fitting:
        raise SaeError(f"{path} holds no SAE of {asked}: it holds {some(entry.sae_id for entry in entries)}")
    raise SaeError(
        f"{path} holds {len(fitting)} SAEs of {asked} ({some(entry.sae_id for entry in fitting)}): "
        "name one by sae_id"
    )


def _listed(path_or_hub_id: str | Path, layer: int | None = None) -> list[SaeEntry]:
    """Entries; on the Hub, where each may have a config to fetch, those whose path allows for `layer`."""
    release, below = split_release(path_or_hub_id)
    if release is not None:
        return _of_release(release, below)
    location = locate(path_or_hub_id)
    found = find_all(location.source, location.wanted)
    if layer is not None and not isinstance(location.source, LocalFolder):
        found = [one for one in found if one.files.layer_from_name() in (None, layer)] or found
    return [one.describe() for one in found]


def _of_release(release: Release, below: str | None) -> list[SaeEntry]:
    entries = {entry.sae_id: entry for entry in release.entries()}
    ids = meant(entries, below)
    if not ids:
        raise SaeError(f"release {release.name!r} holds no SAE {below!r}: it holds {some(entries)}")
    return [entries[sae_id] for sae_id in ids]


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
