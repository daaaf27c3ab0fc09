"""SAELens's public registry of releases, read as names: which Hub repository and folder an sae_id stands for.

The list belongs to the user's own sae-lens and is read as a file: importing that package takes seconds.
"""

import difflib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from congruence.errors import SaeError, unknown_name
from congruence.hook_names import HookPoint, parse_hook_name
from congruence.saes.entry import SaeEntry
from congruence.saes.ids import layer_in

_FORMATS = {
    "gemma_2": "gemma_scope",
    "gemma_2_transcoder": "gemma_scope",
    "gemma_3": "gemma_scope_2",
    "dictionary_learning_1": "dictionary_learning",
    "llama_scope_r1_distill": "llama_scope_r1",
}
"""SAELens's names of formats where they aren't ours."""


@dataclass(frozen=True)
class Release:
    """One release of the registry.

    Attributes:
        repo_id: Hub repository.
        format: our name of its format.
        folders: sae_id -> path in the repository.
        input_factors: sae_id -> the factor that brings its inputs to norm √d, where the files lack it.
    """

    name: str
    repo_id: str
    format: str
    folders: Mapping[str, str]
    input_factors: Mapping[str, float]

    def folder(self, sae_id: str) -> str:
        """The path of one SAE in the repository.

        Raises:
            SaeError: the release has no such id.
        """
        if sae_id not in self.folders:
            raise SaeError(
                f"release {self.name!r}: {unknown_name('sae_id', sae_id, list(self.folders)[:12])}"
            )
        return self.folders[sae_id]

    def entries(self) -> list[SaeEntry]:
        """One listing line an SAE, from names alone."""
        return [self._entry(sae_id) for sae_id in self.folders]

    def _entry(self, sae_id: str) -> SaeEntry:
        hook = parse_hook_name(sae_id.split("__", maxsplit=1)[0])
        layer = hook.layer if hook else layer_in(sae_id)
        name = _hook_name(self.name, sae_id, hook, layer)
        return SaeEntry(self.name, sae_id, self.format, layer=layer, hook_name=name)


def find_release(name: str) -> Release | None:
    """The release of that name; None where there is none, or sae-lens isn't installed."""
    entry = _registry().get(name)
    if entry is None:
        return None
    kind = entry.get("conversion_func") or "saelens"
    return Release(
        name=name,
        repo_id=entry["repo_id"],
        format=_FORMATS.get(kind, kind),
        folders={sae["id"]: str(sae["path"]) for sae in entry["saes"]},
        input_factors={
            s["id"]: s["norm_scaling_factor"] for s in entry["saes"] if "norm_scaling_factor" in s
        },
    )


def split_release(path_or_hub_id: str | Path) -> tuple[Release | None, str | None]:
    """The SAELens release that a name begins with, if it is no path here, and the sae_id after it, if any.

    Raises:
        SaeError: it can only be a release name, and there is none of that name.
    """
    text = str(path_or_hub_id)
    if text.startswith(("/", ".", "~")) or Path(text).exists():
        return None, None
    name, slash, below = text.partition("/")
    release = find_release(name)
    if release is None and not slash:
        raise SaeError(
            f"no SAE at {name!r}: it is neither a folder here nor a Hub id 'owner/name'{_near(name)}"
        )
    return release, below or None


def _near(name: str) -> str:
    """What else the user may have meant."""
    known = release_names()
    if not known:
        return ", and SAELens release names are only known where sae-lens is installed"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" nor a SAELens release{f': did you mean {near[0]!r}?' if near else ''}"


def release_names() -> list[str]:
    """All names of the registry; empty where sae-lens isn't installed."""
    return list(_registry())


@cache
def _registry() -> dict[str, Any]:
    spec = importlib.util.find_spec("sae_lens")
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder) / "pretrained_saes.yaml"
        if file.is_file():
            return _read_yaml(file)
    return {}


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), Loader=loader)


def _hook_name(release: str, sae_id: str, hook: HookPoint | None, layer: int | None) -> str | None:
    """The hook that an id or its release names; residual stream where both are silent but for "res"."""
    if hook is not None:
        return hook.transformer_lens
    if layer is None:
        return None
    kinds = {
        "-res": "resid_post",
        "_lxr": "resid_post",
        "-mlp": "mlp_out",
        "_lxm": "mlp_out",
        "-att": "attn_z",
    }
    kind = next((kind for mark, kind in kinds.items() if mark in release), None)
    return HookPoint(layer, kind).transformer_lens if kind and "embedding" not in sae_id else None
