"""What a capture will do: which shards there are, and the store each hook point goes to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from congruence.activations.known_sae import KnownSae
from congruence.activations.store import FORMAT, RECORD, ActivationStore
from congruence.errors import ModelError, SaeError
from congruence.hook_names import parse_hook_name
from congruence.models import LanguageModel, Tokens
from congruence.models.blocks import shifted
from congruence.storage import content_key, whole_or_none

ActivationKind = Literal["encode", "pre_activation"]

SHARD_TOKENS = 16_384
"""Positions in a shard, padding included; where that many take long, a killed run finds it in parts."""


@dataclass(frozen=True)
class Job:
    """One hook point of a capture.

    Attributes:
        hook_name: as it was asked for; source: where its input is read, shifted by the hook offset.
        sae: its SAE, not loaded yet; None for the raw hidden units.
        activations: what of the SAE is kept.
        store: where it goes.
    """

    hook_name: str
    source: str
    sae: KnownSae | None
    activations: ActivationKind
    store: ActivationStore


def rows_per_shard(tokens: Tokens) -> int:
    """Corpus rows in a shard; it doesn't depend on the batch size, so neither do the shards."""
    return max(1, SHARD_TOKENS // tokens.length)


def shard_offsets(tokens: Tokens) -> tuple[int, ...]:
    """First kept token of each shard, and n at the end."""
    kept = np.append(0, np.cumsum(tokens.keep.sum(axis=1)))
    starts = range(0, len(tokens.keep), rows_per_shard(tokens))
    return (*(int(kept[start]) for start in starts), int(kept[-1]))


def plan_jobs(
    model: LanguageModel,
    tokens: Tokens,
    saes: Mapping[str, Any],
    folder: Path,
    *,
    activations: ActivationKind,
    hook_offset: int,
) -> list[Job]:
    """A job for each hook point; stores that aren't there yet are set up, after every SAE is seen to fit.

    Raises:
        ModelError, SaeError: a hook point isn't in the model, or its SAE doesn't fit.
    """
    known = {name: _known(sae) for name, sae in saes.items()}
    sources = {name: read_at(name, hook_offset) for name in saes}
    keys = {name: _key(model, tokens, sources[name], sae, activations) for name, sae in known.items()}
    paths = {name: folder / f"{_label(name)}-{key}" for name, key in keys.items()}
    stores = {name: existing_store(paths[name], keys[name]) for name in saes}
    fresh = [name for name, store in stores.items() if store is None]
    widths = _widths(model, tokens, [sources[name] for name in fresh])
    for name in fresh:
        _check_fits(name, model, widths[sources[name]], known[name])
    for name in fresh:
        sae = known[name]
        stores[name] = ActivationStore.create(
            paths[name],
            key=keys[name],
            hook_name=name,
            width=widths[sources[name]] if sae is None else sae.d_sae,
            shard_offsets=shard_offsets(tokens),
            dense=sae is None,
            token_ids=tokens.token_ids,
            document_offsets=tokens.document_offsets,
        )
    return [Job(n, sources[n], known[n], activations, store) for n, store in stores.items() if store]


def stored_already(
    model: LanguageModel,
    tokens: Tokens,
    saes: Mapping[str, Any],
    folder: Path,
    *,
    activations: ActivationKind = "encode",
    hook_offset: int = 0,
) -> dict[str, ActivationStore | None]:
    """The finished store of each hook point, None where there is something to capture.

    Neither model nor SAEs are loaded for it; arguments are those of `capture_features`.
    """
    found = {}
    for name, sae in saes.items():
        key = _key(model, tokens, read_at(name, hook_offset), _known(sae), activations)
        store = existing_store(folder / f"{_label(name)}-{key}", key)
        found[name] = store if store is not None and store.finished else None
    return found


def _known(sae: Any) -> KnownSae | None:
    return sae if sae is None or isinstance(sae, KnownSae) else KnownSae.of(sae)


def read_at(hook_name: str, offset: int) -> str:
    """The hook point whose states are read for one: `offset` blocks later.

    Raises:
        ModelError: it is a module path, which no offset shifts.
    """
    if offset == 0:
        return hook_name
    point = parse_hook_name(hook_name)
    if point is None:
        raise ModelError(f"hook point {hook_name!r} is a module path: hook_offset={offset} can't shift it")
    return shifted(point, offset).transformer_lens


def _key(
    model: LanguageModel, tokens: Tokens, source: str, sae: KnownSae | None, activations: ActivationKind
) -> str:
    what = "neurons" if sae is None else [activations, sae.key]
    return content_key(["activations", FORMAT, model.key, tokens.key, source, what])


def _label(hook_name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", hook_name)


def existing_store(path: Path, key: str) -> ActivationStore | None:
    """The store of a key, if its description can be believed; else it is set up anew and keeps its shards."""
    store = whole_or_none(path / RECORD, lambda _: ActivationStore.open(path))
    return store if store is not None and store.key == key else None


def _widths(model: LanguageModel, tokens: Tokens, sources: list[str]) -> dict[str, int]:
    """Width of the hidden states at each place, from two tokens run through the model."""
    if not sources:
        return {}
    import torch

    ids = torch.from_numpy(np.ascontiguousarray(tokens.input_ids[:1, :2]))
    return {name: states.shape[-1] for name, states in model.capture(ids, None, sources).items()}


def _check_fits(hook_name: str, model: LanguageModel, width: int, sae: KnownSae | None) -> None:
    if sae is not None and sae.d_in != width:
        raise SaeError(
            f"SAE {sae.where or 'given'} reads vectors of {sae.d_in}, but {hook_name} of "
            f"{model.name} gives {width}: it belongs to another model or hook point"
        )
